//! Which executor runs which task type.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;

use super::{DeployExecutor, Execution, Executor};
use crate::deploy::{Deployer, StepContext};
use crate::task::{Failure, FailureCode, Task, TaskType};

/// Executors by task type. It is an executor itself: it hands each task to the one registered for its type.
///
/// # Contract
/// A task of an unknown type fails with `unsupported`. An executor that panics fails its task with `internal`, and
/// nothing else: a poisoned task never ends the loop that ran it.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use graphium_core::deploy::{Deployer, StepContext};
/// # use graphium_core::execute::{Execution, Executor, ExecutorRegistry};
/// # use graphium_core::task::{Outcome, Task, TaskType};
/// # #[derive(Debug)]
/// # struct Backup;
/// # #[async_trait::async_trait]
/// # impl Executor for Backup {
/// #     async fn execute(&self, _: &Task, _: &StepContext) -> Execution { Execution::Completed(Outcome::default()) }
/// # }
/// # fn register(deployer: Arc<dyn Deployer>) -> ExecutorRegistry {
/// ExecutorRegistry::builtin(deployer).with(TaskType::Custom("backup".into()), Arc::new(Backup))
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExecutorRegistry {
    executors: BTreeMap<TaskType, Arc<dyn Executor>>,
}

/// The task types that [`DeployExecutor`] runs.
const BUILTIN: [TaskType; 8] = [
    TaskType::Deploy,
    TaskType::Delete,
    TaskType::Stop,
    TaskType::Start,
    TaskType::Restart,
    TaskType::Update,
    TaskType::Prefetch,
    TaskType::Cleanup,
];

impl ExecutorRegistry {
    /// The eight built-in task types over this deployer.
    #[must_use]
    pub fn builtin(deployer: Arc<dyn Deployer>) -> Self {
        let executor: Arc<dyn Executor> = Arc::new(DeployExecutor::new(deployer));
        BUILTIN.into_iter().fold(Self::default(), |registry, built_in| registry.with(built_in, Arc::clone(&executor)))
    }

    /// Registers an executor for a type, in the place of an earlier one.
    #[must_use]
    pub fn with(mut self, task_type: TaskType, executor: Arc<dyn Executor>) -> Self {
        self.executors.insert(task_type, executor);
        self
    }

    /// The executor of a type.
    #[must_use]
    pub fn get(&self, task_type: &TaskType) -> Option<&Arc<dyn Executor>> {
        self.executors.get(task_type)
    }

    /// The registered types.
    pub fn types(&self) -> impl Iterator<Item = &TaskType> {
        self.executors.keys()
    }
}

#[async_trait]
impl Executor for ExecutorRegistry {
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution {
        let task_type = &task.spec.task_type;
        let Some(executor) = self.get(task_type) else {
            let message = format!(
                "this agent has no executor for tasks of type {task_type}; register one, or send the task elsewhere"
            );
            return Execution::Failed(Failure::new(FailureCode::Unsupported, message));
        };
        match AssertUnwindSafe(executor.execute(task, context)).catch_unwind().await {
            Ok(execution) => execution,
            Err(panic) => {
                let message = format!("the executor of {task_type} tasks panicked: {}", words_of(panic.as_ref()));
                Execution::Failed(Failure::new(FailureCode::Internal, message))
            }
        }
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::execute::example::task_of;

    #[derive(Debug)]
    struct Panics;

    #[async_trait]
    impl Executor for Panics {
        async fn execute(&self, _task: &Task, _context: &StepContext) -> Execution {
            panic!("poisoned payload")
        }
    }

    #[tokio::test]
    async fn a_task_of_an_unknown_type_is_unsupported_by_name() {
        let task = task_of(TaskType::Custom("backup".into()), json!({}));
        let execution = ExecutorRegistry::default().execute(&task, &StepContext::detached()).await;
        let Execution::Failed(failure) = execution else { panic!("{execution:?}") };
        assert_eq!(failure.code, FailureCode::Unsupported);
        assert!(failure.message.contains("backup"), "{failure}");
    }

    #[tokio::test]
    async fn a_panic_fails_its_task_and_nothing_else() {
        let backup = TaskType::Custom("backup".into());
        let registry = ExecutorRegistry::default().with(backup.clone(), Arc::new(Panics));
        let execution = registry.execute(&task_of(backup, json!({})), &StepContext::detached()).await;
        let Execution::Failed(failure) = execution else { panic!("{execution:?}") };
        assert_eq!(failure.code, FailureCode::Internal);
        assert!(failure.message.contains("poisoned payload"), "{failure}");
    }
}
