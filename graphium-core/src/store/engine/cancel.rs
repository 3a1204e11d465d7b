//! Cancel: at once where nobody works, else as a wish to the agent.

use super::Engine;
use crate::id::TaskId;
use crate::store::{StoreError, StoreErrorKind};
use crate::task::{CancelReason, Task, TaskEvent};

impl Engine {
    /// Cancels a task, or asks its agent to.
    pub(in crate::store) fn cancel(&mut self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        let task = self.known(id)?;
        if task.state.is_settled() {
            let message =
                format!("task {id} is {} already: only a task that is not settled can be cancelled", task.status());
            return Err(StoreError::new(StoreErrorKind::Conflict, message));
        }
        let reason = CancelReason::Requested { by: by.to_owned() };
        self.must_step(id, TaskEvent::Cancel { at: self.now, reason }, by);
        self.cascade();
        self.known(id).cloned()
    }
}
