//! Lanes: serial keys within which one task at a time is in flight, in order of generation and submission.

use std::collections::{BTreeSet, HashMap};

use super::Entry;
use crate::id::{Generation, TaskId};
use crate::task::Lane;

/// The unsettled tasks of every lane.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<Lane, LaneQueue>);

#[derive(Debug, Default)]
struct LaneQueue {
    tasks: BTreeSet<(Generation, u64, TaskId)>,
    busy: Option<TaskId>,
}

impl LaneQueue {
    fn turn(&self) -> Option<TaskId> {
        match self.busy {
            Some(_) => None,
            None => self.tasks.first().map(|(_, _, id)| *id),
        }
    }
}

fn position(entry: &Entry) -> (Generation, u64, TaskId) {
    let generation = entry.task.spec.placed.as_ref().map_or(Generation(0), |placed| placed.generation);
    (generation, entry.number, entry.task.id())
}

impl Lanes {
    /// Notes the state of a task; answers with the tasks that have lost or got their turn by it.
    pub(super) fn update(&mut self, entry: &Entry) -> [Option<TaskId>; 2] {
        let Some(lane) = &entry.task.spec.lane else { return [None, None] };
        let id = entry.task.id();
        let queue = self.0.entry(lane.clone()).or_default();
        let before = queue.turn();

        if entry.task.state.lease().is_some() {
            queue.busy = Some(id);
        } else if queue.busy == Some(id) {
            queue.busy = None;
        }
        if entry.task.state.is_settled() {
            queue.tasks.remove(&position(entry));
        } else {
            queue.tasks.insert(position(entry));
        }

        let after = queue.turn();
        if queue.tasks.is_empty() {
            self.0.remove(lane);
        }
        if before == after { [None, None] } else { [before, after] }
    }

    /// Whether the task may go as far as its lane is concerned.
    pub(super) fn has_its_turn(&self, entry: &Entry) -> bool {
        match &entry.task.spec.lane {
            None => true,
            Some(lane) => self.0.get(lane).and_then(LaneQueue::turn) == Some(entry.task.id()),
        }
    }
}
