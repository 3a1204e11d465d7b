//! Shows: an executor that tells its progress, is tried again, obeys a cancel, and fails for good.
//!
//! Run with: `cargo run -p graphium-examples --bin custom_executor`
//!
//! Expected output:
//! ```text
//! flaky: completed at attempt 2
//! slow: cancelled by me, removed half a file
//! wrong: failed: invalid_payload: no such bucket
//! ```

use std::sync::Arc;

use graphium_core::agent::{Agent, AgentConfig};
use graphium_core::clock::SystemClock;
use graphium_core::deploy::StepContext;
use graphium_core::execute::{Execution, Executor, ExecutorRegistry};
use graphium_core::id::AgentId;
use graphium_core::store::{MemoryStore, StoreSettings, Submission, TaskStore};
use graphium_core::task::{Failure, FailureCode, NewTask, Outcome, Task, TaskState, TaskStatus, TaskType};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Backup;

#[async_trait::async_trait]
impl Executor for Backup {
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution {
        context.step("upload");
        let fail = |code, message: &str| Execution::Failed(Failure::new(code, message).in_step("upload"));
        match task.spec.payload.as_str() {
            Some("flaky") if task.attempt.0 == 1 => Execution::Failed(
                Failure::new(FailureCode::RegistryUnreachable, "connection refused").in_step("upload"),
            ),
            Some("slow") => {
                context.cancel.cancelled().await;
                Execution::Cancelled(Some("removed half a file".into()))
            }
            Some("wrong") => fail(FailureCode::InvalidPayload, "no such bucket"),
            _ => Execution::Completed(Outcome::default()),
        }
    }
}

/// Submits three tasks, cancels one of them while it runs, and answers with how each ended.
pub async fn run() -> anyhow::Result<Vec<String>> {
    let store: Arc<dyn TaskStore> = Arc::new(MemoryStore::new(Arc::new(SystemClock), StoreSettings::default()));
    let (host, backup) = (AgentId::new("here")?, TaskType::Custom("backup".into()));
    let executors = ExecutorRegistry::default().with(backup.clone(), Arc::new(Backup));
    let agent = Agent::new(AgentConfig::new(host.clone(), "this machine"), Arc::clone(&store) as _, executors, None)?;
    let stop = CancellationToken::new();

    let work = async {
        let task = |name: &str| NewTask::new(host.clone(), backup.clone()).with_payload(name.into());
        let tasks = store.submit(Submission::of("me", ["flaky", "slow", "wrong"].map(task))).await?.tasks;
        reaches(&*store, &tasks[1], |task| task.status() == TaskStatus::Running).await?;
        store.cancel(tasks[1].id(), "me").await?;
        let mut lines = Vec::new();
        for task in &tasks {
            lines.push(line(&reaches(&*store, task, |task| task.state.is_settled()).await?));
        }
        stop.cancel();
        anyhow::Ok(lines)
    };
    let (lines, ended) = tokio::join!(work, agent.run(stop.clone()));
    ended?;
    lines
}

async fn reaches(store: &dyn TaskStore, task: &Task, there: impl Fn(&Task) -> bool) -> anyhow::Result<Task> {
    let (mut news, mut task) = (store.head(), store.task(task.id()).await?);
    while !there(&task) {
        news.changed().await?;
        task = store.task(task.id()).await?;
    }
    Ok(task)
}

fn line(task: &Task) -> String {
    let name = task.spec.payload.as_str().unwrap_or_default();
    match &task.state {
        TaskState::Completed { .. } => format!("{name}: completed at attempt {}", task.attempt),
        TaskState::Failed { failure, .. } => format!("{name}: failed: {failure}"),
        TaskState::Cancelled { reason, undone, .. } => {
            format!("{name}: {reason}, {}", undone.clone().unwrap_or_default())
        }
        TaskState::Pending { .. } | TaskState::Assigned { .. } | TaskState::Running { .. } => format!("{name}: open"),
    }
}
