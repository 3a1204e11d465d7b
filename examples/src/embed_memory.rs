//! Shows: the queue and an agent in one process, with an executor of your own. No server, no Docker.
//!
//! Run with: `cargo run -p graphium-examples --bin embed_memory`
//!
//! Expected output: `hello ann`, then `hello bob`, a line each.

use std::sync::Arc;

use graphium_core::agent::{Agent, AgentConfig};
use graphium_core::clock::SystemClock;
use graphium_core::deploy::StepContext;
use graphium_core::execute::{Execution, Executor, ExecutorRegistry};
use graphium_core::id::AgentId;
use graphium_core::store::{MemoryStore, StoreSettings, Submission, TaskStore};
use graphium_core::task::{NewTask, Outcome, Task, TaskState, TaskType};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Greet;

#[async_trait::async_trait]
impl Executor for Greet {
    async fn execute(&self, task: &Task, _context: &StepContext) -> Execution {
        let data = format!("hello {}", task.spec.payload.as_str().unwrap_or("stranger")).into();
        Execution::Completed(Outcome { data, ..Outcome::default() })
    }
}

/// Submits two tasks, lets an agent do them, and answers with what each said.
pub async fn run() -> anyhow::Result<Vec<String>> {
    let store: Arc<dyn TaskStore> = Arc::new(MemoryStore::new(Arc::new(SystemClock), StoreSettings::default()));
    let (host, greet) = (AgentId::new("here")?, TaskType::Custom("greet".into()));
    let executors = ExecutorRegistry::default().with(greet.clone(), Arc::new(Greet));
    let agent = Agent::new(AgentConfig::new(host.clone(), "this machine"), Arc::clone(&store) as _, executors, None)?;
    let stop = CancellationToken::new();

    let work = async {
        let tasks = ["ann", "bob"].map(|name| NewTask::new(host.clone(), greet.clone()).with_payload(name.into()));
        let mut said = Vec::new();
        for task in store.submit(Submission::of("me", tasks)).await?.tasks {
            said.push(result_of(&*store, task).await?);
        }
        stop.cancel();
        anyhow::Ok(said)
    };
    let (said, ended) = tokio::join!(work, agent.run(stop.clone()));
    ended?;
    said
}

async fn result_of(store: &dyn TaskStore, task: Task) -> anyhow::Result<String> {
    let mut news = store.head();
    loop {
        if let TaskState::Completed { outcome, .. } = store.task(task.id()).await?.state {
            return Ok(outcome.data.as_str().unwrap_or_default().to_owned());
        }
        news.changed().await?;
    }
}
