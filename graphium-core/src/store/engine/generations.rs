//! Generations: what a newer deployment of a stack does to the tasks of older ones.

use super::{Engine, SERVER};
use crate::id::{Generation, StackName, TaskId};
use crate::task::{CancelReason, NewTask, TaskEvent, TaskStatus};

impl Engine {
    /// The generation that made a task pointless. A stack that was forgotten has outlived every task of it.
    pub(super) fn superseded_by(&self, spec: &NewTask) -> Option<Generation> {
        let placed = spec.placed.as_ref()?;
        match self.generations.get(&placed.stack) {
            Some(newest) if *newest == placed.generation => None,
            Some(newest) => Some(*newest),
            None => Some(placed.generation.next()),
        }
    }

    /// Makes a generation the newest of its stack and cancels what older ones have not begun.
    pub(super) fn supersede(&mut self, stack: &StackName, newest: Generation) {
        if self.generations.get(stack) == Some(&newest) {
            return;
        }
        self.generations.insert(stack.clone(), newest);
        self.changes.generations.insert(stack.clone());
        self.cancel_unstarted(stack, newest);
    }

    /// Forgets the newest generation of a stack, and what of it has not begun.
    pub(super) fn forget_stack(&mut self, stack: &StackName) {
        let Some(newest) = self.generations.remove(stack) else { return };
        self.changes.generations.insert(stack.clone());
        self.cancel_unstarted(stack, newest.next());
    }

    fn cancel_unstarted(&mut self, stack: &StackName, newest: Generation) {
        let unstarted = |id: &TaskId| {
            let task = self.tasks.get(id).map(|entry| &entry.task)?;
            let older = task.spec.placed.as_ref().is_some_and(|placed| placed.generation != newest);
            (older && task.status() == TaskStatus::Pending).then_some((self.tasks.get(id)?.number, *id))
        };
        let mut tasks: Vec<_> = self.stacks.get(stack).into_iter().flatten().filter_map(unstarted).collect();
        tasks.sort_unstable();
        for (_, id) in tasks {
            self.must_step(id, self.superseded(newest), SERVER);
        }
        self.cascade();
    }

    /// The cancellation of a task that a newer generation made pointless.
    pub(super) fn superseded(&self, by: Generation) -> TaskEvent {
        TaskEvent::Cancel { at: self.now, reason: CancelReason::Superseded { by } }
    }
}
