//! Shows: how to test a program that submits work, against a line that loses its calls and their answers. The queue, the
//! clock and the line are in memory, and the executor is a mock: nothing waits, nothing is left to chance.
//!
//! Run with: `cargo run -p graphium-examples --bin faulty_line`
//!
//! Expected output: `the first submit: the line lost it`, `the second: the line lost it`, `the third: the same task`,
//! `done by attempt 1`.

use std::sync::Arc;

use graphium_core::agent::{Agent, AgentConfig};
use graphium_core::clock::ManualClock;
use graphium_core::execute::{Execution, ExecutorRegistry};
use graphium_core::id::AgentId;
use graphium_core::store::{MemoryStore, StoreSettings, Submission, TaskStore};
use graphium_core::task::{IdempotencyKey, NewTask, Outcome, TaskStatus, TaskType};
use graphium_core::testing::{Fault, FaultPlan, FaultyStore, MockExecutor};
use tokio_util::sync::CancellationToken;

/// Submits over a line that loses a call and an answer, and lets an agent behind another bad line do the task once.
pub async fn run() -> anyhow::Result<Vec<String>> {
    let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::default()), StoreSettings::default()));
    let line = FaultyStore::new(Arc::clone(&store) as _, FaultPlan::scripted([Fault::LoseCall, Fault::LoseAnswer]));
    let (host, backup) = (AgentId::new("here")?, TaskType::Custom("backup".into()));

    // The key makes a repeated submit safe: whoever hears nothing asks again.
    let mut task = NewTask::new(host.clone(), backup.clone());
    task.idempotency_key = Some(IdempotencyKey::new("backup of tonight")?);
    let mut said = Vec::new();
    for which in ["the first submit", "the second"] {
        let Err(lost) = line.submit(Submission::of("me", [task.clone()])).await else { anyhow::bail!("{which} came") };
        said.push(format!("{which}: {lost}"));
    }
    let known = line.submit(Submission::of("me", [task.clone()])).await?.tasks.remove(0);
    anyhow::ensure!(known.id() == task.id, "it is the task of the second submit");
    said.push("the third: the same task".to_owned());

    // Whatever is lost between an agent and its store, its work is done once.
    let mut executor = MockExecutor::new();
    executor.expect_execute().times(1).returning(|_, _| Execution::Completed(Outcome::default()));
    let faults = [Fault::LoseAnswer, Fault::Repeat, Fault::LoseAnswer, Fault::LoseCall, Fault::Repeat];
    let side = Arc::new(FaultyStore::new(Arc::clone(&store) as _, FaultPlan::scripted(faults)));
    let executors = ExecutorRegistry::default().with(backup, Arc::new(executor));
    let (agent, stop) = (Agent::new(AgentConfig::new(host, "m1"), side, executors, None)?, CancellationToken::new());
    let watch = async {
        let mut news = store.head();
        while store.task(task.id).await?.status() != TaskStatus::Completed {
            news.changed().await?;
        }
        stop.cancel();
        anyhow::Ok(store.task(task.id).await?)
    };
    let (done, ended) = tokio::join!(watch, agent.run(stop.clone()));
    ended?;
    said.push(format!("done by attempt {}", done?.attempt));
    Ok(said)
}
