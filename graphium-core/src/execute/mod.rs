//! Running a task of some type: the step between the queue and whatever does the work.

mod builtin;
#[cfg(test)]
mod example;
mod registry;

pub use builtin::DeployExecutor;
pub use registry::ExecutorRegistry;

use async_trait::async_trait;

use crate::deploy::StepContext;
use crate::task::{Failure, Outcome, Task};

/// How an execution ended. Never a bare error: whatever happens is data that is reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Execution {
    /// As asked.
    Completed(Outcome),
    /// Otherwise.
    Failed(Failure),
    /// Stopped because the context's token was cancelled; with what was undone or left.
    Cancelled(Option<String>),
}

/// Runs tasks of one type or several.
///
/// # Contract
/// The same task may be run again, after a crash or by another process: an execution repeated must be harmless.
///
/// # Cancel safety
/// Look at `context.cancel` and end soon after it is cancelled, with [`Execution::Cancelled`]. Whoever does not
/// is dropped when the grace is over.
///
/// # Example
/// ```
/// use async_trait::async_trait;
/// use graphium_core::deploy::StepContext;
/// use graphium_core::execute::{Execution, Executor};
/// use graphium_core::task::{Outcome, Task};
///
/// #[derive(Debug)]
/// struct Greet;
///
/// #[async_trait]
/// impl Executor for Greet {
///     async fn execute(&self, task: &Task, _context: &StepContext) -> Execution {
///         let data = serde_json::json!({ "greeting": format!("hello {}", task.spec.payload["name"]) });
///         Execution::Completed(Outcome { data, ..Outcome::default() })
///     }
/// }
/// ```
#[async_trait]
pub trait Executor: std::fmt::Debug + Send + Sync {
    /// Runs one task to its end.
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution;
}
