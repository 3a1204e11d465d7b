//! Tasks that cannot be read back: each fails alone, and the queue goes on.

use super::{Engine, SERVER};
use crate::id::TaskId;
use crate::store::{StoreError, StoreErrorKind};
use crate::task::{Failure, FailureCode, Task, TaskEvent, cut_message};

impl Engine {
    /// Settles as failed what is open and cannot be read back, with all that depends on it.
    pub(in crate::store) fn condemn_unreadable(&mut self) {
        let open = self.tasks.values().filter(|entry| !entry.task.state.is_settled());
        let mut found: Vec<(u64, TaskId, String)> =
            open.filter_map(|entry| Some((entry.number, entry.task.id(), entry.task.unreadable.clone()?))).collect();
        found.sort_unstable();
        for (_, id, why) in found {
            tracing::error!(task = %id, why, "a task cannot be read back and is settled as failed; what is kept of it stays");
            let message = format!(
                "task {id} cannot be read back: {why}; what was written is kept, so retry it, with the version of Graphium \
                 that wrote it if this one cannot read it, or submit it anew"
            );
            let failure = Failure::new(FailureCode::Unreadable, cut_message(message));
            self.changes.condemned.insert(id, why);
            self.must_step(id, TaskEvent::Condemn { at: self.now, failure }, SERVER);
        }
        self.cascade();
    }
}

/// Refuses to go on from a task that cannot be read back.
pub(super) fn refuse_unreadable(task: &Task) -> Result<(), StoreError> {
    let Some(why) = &task.unreadable else { return Ok(()) };
    let message = format!(
        "task {} cannot be read back: {why}; use the version of Graphium that wrote it, or submit it anew",
        task.id()
    );
    Err(StoreError::new(StoreErrorKind::Conflict, message))
}
