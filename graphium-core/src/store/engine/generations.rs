//! Generations: what a newer deployment of a stack does to the tasks of older ones.

use super::{Engine, Entry, SERVER};
use crate::id::{Generation, StackName, TaskId};
use crate::task::{CancelReason, TaskEvent, TaskStatus};

/// One life of a stack, from its first deployment until it is forgotten. A stack of the same name that begins anew counts
/// its generations anew, so the generation alone does not tell the tasks of two lives apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Life {
    pub(in crate::store) newest: Generation,
    /// The newest task of the whole queue when it began: its own tasks have higher numbers.
    pub(in crate::store) since: u64,
}

impl Engine {
    /// The generation that made a task pointless. A stack that was forgotten has outlived every task of it.
    pub(super) fn superseded_by(&self, entry: &Entry) -> Option<Generation> {
        let placed = entry.task.spec.placed.as_ref()?;
        match self.lives.get(&placed.stack) {
            Some(life) if life.newest == placed.generation && entry.number > life.since => None,
            Some(life) => Some(life.newest),
            None => Some(placed.generation.next()),
        }
    }

    /// Makes a generation the newest of its stack and cancels what older ones have not begun.
    pub(super) fn supersede(&mut self, stack: &StackName, newest: Generation) {
        let life = self.lives.get(stack).copied();
        if life.is_some_and(|life| life.newest == newest) {
            return;
        }
        let since = life.map_or(self.last_number, |life| life.since);
        self.lives.insert(stack.clone(), Life { newest, since });
        self.changes.generations.insert(stack.clone());
        self.cancel_unstarted(stack, newest);
    }

    /// Forgets the newest generation of a stack, and what of it has not begun.
    pub(super) fn forget_stack(&mut self, stack: &StackName) {
        let Some(Life { newest, .. }) = self.lives.remove(stack) else { return };
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
