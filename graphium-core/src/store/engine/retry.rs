//! Retry by an operator: the way back from failed and cancelled, for a task and those that fell with it.

use std::collections::VecDeque;

use super::condemn::refuse_unreadable;
use super::{Engine, SERVER, not_found};
use crate::id::TaskId;
use crate::store::{StoreError, StoreErrorKind};
use crate::task::{CancelReason, Task, TaskEvent, TaskState, TaskStatus};

impl Engine {
    /// Tries a task again with a fresh budget, and brings back the dependants that its end cancelled.
    pub(in crate::store) fn retry(&mut self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.refuse_while_held()?;
        self.check_retry(id)?;
        self.reopen(id, TaskEvent::Retry, by);
        let mut reopened = VecDeque::from([id]);
        while let Some(dependency) = reopened.pop_front() {
            for dependant in self.dependants_of(dependency) {
                if self.may_revive(dependant) {
                    self.reopen(dependant, TaskEvent::Revive, SERVER);
                    reopened.push_back(dependant);
                }
            }
        }
        self.known(id).cloned()
    }

    fn check_retry(&self, id: TaskId) -> Result<(), StoreError> {
        let entry = self.tasks.get(&id).ok_or_else(|| not_found(id))?;
        let task = &entry.task;
        let refuse = |kind, message| Err(StoreError::new(kind, message));
        if !matches!(task.status(), TaskStatus::Failed | TaskStatus::Cancelled) {
            let message = format!("task {id} is {}: only a failed or cancelled task can be retried", task.status());
            return refuse(StoreErrorKind::Conflict, message);
        }
        refuse_unreadable(task)?;
        if let Some(by) = self.superseded_by(entry) {
            let message = format!("task {id} is of a deployment before generation {by}: deploy the stack instead");
            return refuse(StoreErrorKind::Superseded, message);
        }
        if let Some(dependency) = self.fallen_dependency(&task.spec.depends_on) {
            let message = format!("task {id} depends on task {dependency}, which did not complete: retry that one");
            return refuse(StoreErrorKind::Conflict, message);
        }
        Ok(())
    }

    /// A dependant comes back when its cancellation came from a dependency and none of them is fallen any more.
    fn may_revive(&self, id: TaskId) -> bool {
        let Some(entry) = self.tasks.get(&id) else { return false };
        let task = &entry.task;
        let for_dependency =
            matches!(task.state, TaskState::Cancelled { reason: CancelReason::DependencyFailed { .. }, .. });
        let readable = task.unreadable.is_none();
        for_dependency
            && readable
            && self.superseded_by(entry).is_none()
            && self.fallen_dependency(&task.spec.depends_on).is_none()
    }

    fn reopen(&mut self, id: TaskId, event: TaskEvent, actor: &str) {
        let now = self.now;
        self.connect(id);
        self.must_step_with(id, event, actor, |task| {
            task.retry_count = 0;
            task.ready_at = now;
        });
    }
}
