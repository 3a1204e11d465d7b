//! Which executor runs which task type.
use super::Executor;
use crate::task::TaskType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Executors by task type.
#[derive(Debug, Clone, Default)]
pub struct ExecutorRegistry {
    executors: BTreeMap<TaskType, Arc<dyn Executor>>,
}
impl ExecutorRegistry {
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
}
