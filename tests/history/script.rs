//! What a task does, drawn from its id: whoever runs it again does the same.

use std::time::Duration;

use async_trait::async_trait;
use graphium_core::deploy::StepContext;
use graphium_core::execute::{Execution, Executor};
use graphium_core::id::TaskId;
use graphium_core::task::{Failure, FailureCode, Outcome, Task, TaskType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

/// The type of tasks that are of no stack.
pub(crate) fn work() -> TaskType {
    TaskType::Custom("work".into())
}

/// The deadline of every such task.
pub(crate) const DEADLINE: Duration = Duration::from_secs(4);

/// Runs scripts.
#[derive(Debug)]
pub(crate) struct Scripted;

#[derive(Debug, Clone, Copy)]
enum Script {
    Complete,
    TellProgress,
    IgnoreCancel,
    FailOnce,
    FailForGood,
    PanicOnce,
}

fn draw(id: TaskId) -> (Script, Duration) {
    let (high, low) = id.as_uuid().as_u64_pair();
    let mut rng = StdRng::seed_from_u64(high ^ low);
    let script = match rng.random_range(0..20) {
        0..9 => Script::Complete,
        9..12 => Script::TellProgress,
        12..14 => Script::IgnoreCancel,
        14..17 => Script::FailOnce,
        17..19 => Script::FailForGood,
        _ => Script::PanicOnce,
    };
    // Most work is short; some outlives a lease, little its deadline.
    let longest = match rng.random_range(0..40) {
        0 => 5_000,
        1..5 => 1_500,
        _ => 60,
    };
    (script, Duration::from_millis(rng.random_range(0..longest)))
}

/// The id of a task that takes a second at least, and then completes.
pub(crate) fn long_task() -> TaskId {
    loop {
        let id = TaskId::generate();
        if let (Script::Complete, takes) = draw(id)
            && (1_000..2_000).contains(&takes.as_millis())
        {
            return id;
        }
    }
}

#[async_trait]
impl Executor for Scripted {
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution {
        let (script, takes) = draw(task.id());
        match script {
            Script::IgnoreCancel => sleep(takes).await,
            Script::TellProgress => {
                for step in 0..3 {
                    context.step(&format!("step {step}"));
                    sleep(takes / 3).await;
                }
            }
            Script::Complete | Script::FailOnce | Script::FailForGood | Script::PanicOnce => tokio::select! {
                biased;
                () = context.cancel.cancelled() => return Execution::Cancelled(Some("half of it".into())),
                () = sleep(takes) => {}
            },
        }
        let first = task.attempt.0 == 1;
        match script {
            // Past the hook that would print it.
            Script::PanicOnce if first => std::panic::resume_unwind(Box::new("as scripted")),
            Script::FailOnce if first => {
                Execution::Failed(Failure::new(FailureCode::RegistryUnreachable, "as scripted"))
            }
            Script::FailForGood => Execution::Failed(Failure::new(FailureCode::InvalidSpec, "as scripted")),
            Script::Complete | Script::TellProgress | Script::IgnoreCancel | Script::FailOnce | Script::PanicOnce => {
                Execution::Completed(Outcome::default())
            }
        }
    }
}
