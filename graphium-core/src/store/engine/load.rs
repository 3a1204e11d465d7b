//! What a store brings into memory, and what may leave it.

use std::collections::BTreeMap;

use super::{AttemptEntry, Counters, Due, EndedSessions, Engine, Entry, Epoch, Life, Mark};
use crate::clock::Timestamp;
use crate::id::{AgentId, Seq, StackName, TaskId};
use crate::store::{Host, Record, RecordKey};
use crate::task::{IdempotencyKey, Task};

/// What was read for the commands of a batch.
#[derive(Debug, Default)]
pub(in crate::store) struct Loaded {
    /// Tasks with their places in the order of submission.
    pub(in crate::store) tasks: Vec<(Task, u64)>,
    pub(in crate::store) attempts: Vec<AttemptEntry>,
    pub(in crate::store) keys: Vec<(IdempotencyKey, TaskId)>,
    pub(in crate::store) records: Vec<Record>,
    /// What may be pruned, if that was asked.
    pub(in crate::store) due: Option<Due>,
}

/// What a queue knows beside its tasks.
#[derive(Debug, Default)]
pub(in crate::store) struct Snapshot {
    pub(in crate::store) now: Timestamp,
    pub(in crate::store) head: Seq,
    pub(in crate::store) last_number: u64,
    /// The greatest id of a task.
    pub(in crate::store) greatest: Option<TaskId>,
    pub(in crate::store) hosts: BTreeMap<AgentId, Host>,
    pub(in crate::store) ended: EndedSessions,
    pub(in crate::store) lives: BTreeMap<StackName, Life>,
    pub(in crate::store) counters: Counters,
    pub(in crate::store) attempts_mark: Mark,
    pub(in crate::store) epoch: Epoch,
}

impl Engine {
    /// Makes an empty queue the one that was kept; its open tasks, with their dependencies, follow by
    /// [`absorb`](Self::absorb).
    pub(in crate::store) fn restore(&mut self, snapshot: Snapshot) {
        self.now = self.now.max(snapshot.now);
        self.kept_at = snapshot.now;
        self.head = snapshot.head;
        self.last_number = snapshot.last_number;
        self.greatest_elsewhere = snapshot.greatest;
        self.hosts = snapshot.hosts;
        self.ended = snapshot.ended;
        self.lives = snapshot.lives;
        self.counters = snapshot.counters;
        self.attempts_mark = snapshot.attempts_mark;
        self.epoch = snapshot.epoch;
    }

    /// Takes what was read into memory. What is there already is newer and stays.
    pub(in crate::store) fn absorb(&mut self, loaded: Loaded) {
        self.due = loaded.due;
        let mut fresh = Vec::new();
        for (task, number) in loaded.tasks {
            let id = task.id();
            if let std::collections::hash_map::Entry::Vacant(slot) = self.tasks.entry(id) {
                slot.insert(Entry::new(task, number));
                fresh.push(id);
            }
        }
        for id in &fresh {
            self.connect(*id);
        }
        for id in fresh {
            self.refresh(id);
        }
        for attempt in loaded.attempts {
            self.attempts.entry((attempt.task, attempt.record.attempt)).or_insert(attempt);
        }
        for (key, id) in loaded.keys {
            self.keys.entry(key).or_insert(id);
        }
        for record in loaded.records {
            self.records.entry(record.key.clone()).or_insert(record);
        }
    }

    /// Lets go of the records that are to go. They are kept elsewhere.
    pub(in crate::store) fn evict_records(&mut self, goes: impl Fn(&RecordKey) -> bool) {
        self.records.retain(|key, _| !goes(key));
    }

    /// Lets go of those of the given tasks that are settled. They are kept elsewhere.
    pub(in crate::store) fn evict(&mut self, ids: impl IntoIterator<Item = TaskId>) {
        for id in ids {
            if !self.tasks.get(&id).is_some_and(|entry| entry.task.state.is_settled()) {
                continue;
            }
            self.greatest_elsewhere = self.greatest_elsewhere.max(Some(id));
            self.remove(id);
        }
    }
}
