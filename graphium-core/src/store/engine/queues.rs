//! An index for each place in which a task can stand.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Engine;
use super::entry::Place;
use crate::clock::Timestamp;
use crate::id::{AgentId, TaskId};
use crate::task::{OrderKey, TaskState};

/// What the queue looks tasks up by.
#[derive(Debug, Default)]
pub(super) struct Queues {
    agents: HashMap<AgentId, AgentQueue>,
    timers: BTreeSet<(Timestamp, TaskId)>,
    deadlines: BTreeSet<(Timestamp, TaskId)>,
    claimable: BTreeSet<(Timestamp, TaskId)>,
}

#[derive(Debug, Default)]
struct AgentQueue {
    ready: BTreeMap<OrderKey, TaskId>,
    held: BTreeSet<TaskId>,
}

impl Queues {
    fn leave(&mut self, agent: &AgentId, id: TaskId, place: Place) {
        match place {
            Place::Nowhere | Place::Blocked => return,
            Place::Timed(at) => {
                self.timers.remove(&(at, id));
                return;
            }
            Place::Ready(..) | Place::Held(_) => {}
        }
        let Some(queue) = self.agents.get_mut(agent) else { return };
        if let Place::Ready(key, since) = place {
            queue.ready.remove(&key);
            self.claimable.remove(&(since, id));
        } else if let Place::Held(deadline) = place {
            queue.held.remove(&id);
            self.deadlines.remove(&(deadline, id));
        }
        if queue.ready.is_empty() && queue.held.is_empty() {
            self.agents.remove(agent);
        }
    }

    fn enter(&mut self, agent: &AgentId, id: TaskId, place: Place) {
        match place {
            Place::Nowhere | Place::Blocked => {}
            Place::Timed(at) => {
                self.timers.insert((at, id));
            }
            Place::Ready(key, since) => {
                self.agents.entry(agent.clone()).or_default().ready.insert(key, id);
                self.claimable.insert((since, id));
            }
            Place::Held(deadline) => {
                self.agents.entry(agent.clone()).or_default().held.insert(id);
                self.deadlines.insert((deadline, id));
            }
        }
    }

    /// The first claimable task of an agent.
    pub(super) fn first(&self, agent: &AgentId) -> Option<TaskId> {
        self.agents.get(agent)?.ready.first_key_value().map(|(_, id)| *id)
    }

    /// What an agent holds.
    pub(super) fn held(&self, agent: &AgentId) -> impl Iterator<Item = TaskId> {
        self.agents.get(agent).into_iter().flat_map(|queue| queue.held.iter().copied())
    }

    /// A task whose waiting time is over.
    pub(super) fn due(&self, now: Timestamp) -> Option<TaskId> {
        self.timers.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// When the next waiting time is over.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The tasks whose deadline was at or before `limit`.
    pub(super) fn overdue(&self, limit: Timestamp) -> Vec<TaskId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= limit).map(|(_, id)| *id).collect()
    }

    /// Since when the oldest claimable task has been so.
    pub(super) fn oldest_claimable(&self) -> Option<Timestamp> {
        self.claimable.first().map(|(since, _)| *since)
    }
}

impl Engine {
    /// Puts a task where its state, its dependencies, its lane and the time say, and its lane's neighbours too.
    pub(super) fn refresh(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let neighbours = self.lanes.update(entry);
        self.follow_stack(id);
        self.replace(id);
        for neighbour in neighbours.into_iter().flatten() {
            if neighbour != id {
                self.replace(neighbour);
            }
        }
    }

    fn replace(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let place = self.place_of(entry);
        let before = entry.place;
        if place == before {
            return;
        }
        let agent = entry.task.agent().clone();
        self.queues.leave(&agent, id, before);
        self.queues.enter(&agent, id, place);
        if let Some(entry) = self.tasks.get_mut(&id) {
            entry.place = place;
        }
        if matches!(place, Place::Ready(..)) {
            self.woken.insert(agent);
        }
    }

    fn place_of(&self, entry: &super::Entry) -> Place {
        let task = &entry.task;
        match &task.state {
            TaskState::Assigned { lease } | TaskState::Running { lease, .. } => {
                Place::Held(self.away.deadline_of(lease))
            }
            TaskState::Completed { .. } | TaskState::Failed { .. } | TaskState::Cancelled { .. } => Place::Nowhere,
            TaskState::Pending { not_before, .. } => {
                if !entry.waits_for.is_empty() || !self.lanes.has_its_turn(entry) {
                    return Place::Blocked;
                }
                match (*not_before, entry.place) {
                    (Some(at), _) if at > self.now => Place::Timed(at),
                    (_, Place::Ready(key, since)) if key == task.order() => Place::Ready(key, since),
                    _ => Place::Ready(task.order(), self.now),
                }
            }
        }
    }

    fn follow_stack(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id).map(|entry| &entry.task) else { return };
        let Some(placed) = &task.spec.placed else { return };
        if !task.state.is_settled() {
            self.stacks.entry(placed.stack.clone()).or_default().insert(id);
        } else if let Some(open) = self.stacks.get_mut(&placed.stack) {
            open.remove(&id);
            if open.is_empty() {
                self.stacks.remove(&placed.stack);
            }
        }
    }
}
