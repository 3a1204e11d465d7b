//! A task with what the queue knows of it.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::id::TaskId;
use crate::task::{OrderKey, Task};

/// A task with its place in the queue.
#[derive(Debug)]
pub(in crate::store) struct Entry {
    pub(in crate::store) task: Task,
    /// Its place in the order of submission.
    pub(in crate::store) number: u64,
    /// The dependencies that are not completed.
    pub(super) waits_for: BTreeSet<TaskId>,
    pub(super) place: Place,
}

/// Where a task stands in the queue. Each place has an index of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// Settled, or not yet placed.
    #[default]
    Nowhere,
    /// Waits for its dependencies or for its lane.
    Blocked,
    /// Waits for this instant.
    Timed(Timestamp),
    /// May be claimed, since this instant.
    Ready(OrderKey, Timestamp),
    /// In the hands of an agent, until this instant at most.
    Held(Timestamp),
}

impl Entry {
    pub(super) fn new(task: Task, number: u64) -> Self {
        Self { task, number, waits_for: BTreeSet::new(), place: Place::Nowhere }
    }

    pub(super) fn is_claimable(&self) -> bool {
        self.claimable_since().is_some()
    }

    pub(super) fn claimable_since(&self) -> Option<Timestamp> {
        match self.place {
            Place::Ready(_, since) => Some(since),
            Place::Nowhere | Place::Blocked | Place::Timed(_) | Place::Held(_) => None,
        }
    }
}
