//! Dependencies: who waits for whom, and what the end of a task means to those behind it.

use std::collections::BTreeSet;

use super::{Engine, SERVER};
use crate::id::TaskId;
use crate::task::{CancelReason, TaskEvent, TaskStatus};

impl Engine {
    /// Notes that a task in memory depends on others, and which of them it has to wait for.
    pub(super) fn connect(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let dependencies: BTreeSet<_> = entry.task.spec.depends_on.iter().copied().collect();
        for dependency in &dependencies {
            self.dependants.entry(*dependency).or_default().insert(id);
        }
        let open = dependencies.into_iter().filter(|dependency| !self.is_completed(*dependency)).collect();
        if let Some(entry) = self.tasks.get_mut(&id) {
            entry.waits_for = open;
        }
    }

    fn is_completed(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_some_and(|entry| entry.task.status() == TaskStatus::Completed)
    }

    /// A dependency of the task that failed or was cancelled, if there is one.
    pub(super) fn fallen_dependency(&self, depends_on: &[TaskId]) -> Option<TaskId> {
        let fallen = |id: &TaskId| {
            let status = self.tasks.get(id).map(|entry| entry.task.status());
            matches!(status, Some(TaskStatus::Failed | TaskStatus::Cancelled))
        };
        depends_on.iter().copied().find(fallen)
    }

    /// Those that depend on a task, as far as they are in memory.
    pub(super) fn dependants_of(&self, id: TaskId) -> Vec<TaskId> {
        self.dependants.get(&id).into_iter().flatten().copied().collect()
    }

    /// Crosses a completed task off the lists of those that wait for it.
    pub(super) fn satisfy(&mut self, id: TaskId) {
        for dependant in self.dependants_of(id) {
            let Some(entry) = self.tasks.get_mut(&dependant) else { continue };
            if entry.waits_for.remove(&id) && entry.waits_for.is_empty() {
                self.refresh(dependant);
            }
        }
    }

    /// Cancels whatever depends, at any distance, on a task that has failed or was cancelled.
    pub(super) fn cascade(&mut self) {
        while let Some(dependency) = self.fallen.pop() {
            for dependant in self.dependants_of(dependency) {
                let pending = self.tasks.get(&dependant).is_some_and(|e| e.task.status() == TaskStatus::Pending);
                if pending {
                    let reason = CancelReason::DependencyFailed { dependency };
                    self.must_step(dependant, TaskEvent::Cancel { at: self.now, reason }, SERVER);
                }
            }
        }
    }
}
