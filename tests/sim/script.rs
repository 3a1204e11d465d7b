//! Executors that do what a task's payload says, and note that they did.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use graphium_core::deploy::StepContext;
use graphium_core::execute::{Execution, Executor, ExecutorRegistry};
use graphium_core::task::{Failure, FailureCode, Outcome, Task, TaskType};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::record::{Recorder, Running};

/// The type of every task of the simulation.
pub(crate) fn work() -> TaskType {
    TaskType::Custom("work".into())
}

pub(crate) fn executors(recorder: &Arc<Recorder>) -> ExecutorRegistry {
    ExecutorRegistry::default().with(work(), Arc::new(Scripted { recorder: Arc::clone(recorder) }))
}

/// What a task will do.
pub(crate) fn draw(rng: &mut StdRng) -> Value {
    let script = match rng.random_range(0..20) {
        0..10 => "complete",
        10..13 => "fail once",
        13 => "fail for good",
        14 => "panic once",
        15..17 => "ignore cancel",
        _ => "tell progress",
    };
    // Most work is short; some outlives leases and deadlines.
    let longest = if rng.random_bool(0.2) { 60_000 } else { 3_000 };
    json!({ "script": script, "ms": rng.random_range(0..longest) })
}

#[derive(Debug)]
struct Scripted {
    recorder: Arc<Recorder>,
}

#[async_trait]
impl Executor for Scripted {
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution {
        let running = self.recorder.begin(task);
        let takes = Duration::from_millis(task.spec.payload["ms"].as_u64().unwrap());
        let script = task.spec.payload["script"].as_str().unwrap();
        match script {
            "ignore cancel" => sleep(takes).await,
            "tell progress" => tell_progress(context, takes).await,
            _ => tokio::select! {
                biased;
                () = context.cancel.cancelled() => return cancelled(&running),
                () = sleep(takes) => {}
            },
        }
        let first = task.attempt.0 == 1;
        match script {
            // Past the hook that would print it.
            "panic once" if first => std::panic::resume_unwind(Box::new("as scripted")),
            "fail once" if first => failed(&running, Failure::new(FailureCode::RegistryUnreachable, "as scripted")),
            "fail for good" => failed(&running, Failure::new(FailureCode::InvalidSpec, "as scripted")),
            _ => {
                running.says("completed");
                Execution::Completed(Outcome::default())
            }
        }
    }
}

async fn tell_progress(context: &StepContext, takes: Duration) {
    for step in 0..10 {
        context.step(&format!("step {step}"));
        sleep(takes / 10).await;
    }
}

fn cancelled(running: &Running) -> Execution {
    running.says("cancelled");
    Execution::Cancelled(None)
}

fn failed(running: &Running, failure: Failure) -> Execution {
    running.says("failed");
    Execution::Failed(failure)
}
