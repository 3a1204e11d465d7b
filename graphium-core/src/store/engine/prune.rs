//! Pruning: what is over and old enough goes, a small batch at a time.

use std::collections::BTreeSet;

use super::{Engine, Entry};
use crate::clock::Timestamp;
use crate::id::{Attempt, Seq, TaskId};
use crate::store::{PRUNE_BATCH, Pruned};
use crate::task::Task;

/// Until when what is over is old enough to go; none where it is kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Cutoffs {
    pub(in crate::store) tasks: Option<Timestamp>,
    pub(in crate::store) attempts: Option<Timestamp>,
    pub(in crate::store) events: Option<Timestamp>,
    /// The task up to which attempts are pruned.
    pub(in crate::store) mark: Mark,
    /// The newest task. It stays, since its number must not be given again.
    pub(in crate::store) last_number: u64,
    /// The newest event. It stays, since the log goes on after it.
    pub(in crate::store) head: Seq,
}

/// A place in the order in which tasks settled: when, and the number of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::store) struct Mark {
    pub(in crate::store) settled_at: Timestamp,
    pub(in crate::store) number: u64,
}

/// What may go, of each sort at most [`PRUNE_BATCH`], oldest first.
#[derive(Debug, Default)]
pub(in crate::store) struct Due {
    /// Tasks with their numbers.
    pub(in crate::store) tasks: Vec<(Task, u64)>,
    /// Tasks whose attempts may go.
    pub(in crate::store) attempts: Vec<(TaskId, Mark)>,
    /// Events by number.
    pub(in crate::store) events: Vec<Seq>,
}

/// What is gone and a store must remove.
#[derive(Debug, Default, PartialEq)]
pub(in crate::store) struct Gone {
    pub(in crate::store) tasks: Vec<(Task, u64)>,
    /// Numbers of tasks that stay without their attempts.
    pub(in crate::store) attempts: Vec<u64>,
    /// The newest event that goes.
    pub(in crate::store) events: Option<Seq>,
}

impl Gone {
    /// Whether nothing goes.
    #[cfg(feature = "sql")]
    pub(in crate::store) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Engine {
    /// What is old enough now.
    pub(in crate::store) fn cutoffs(&self) -> Cutoffs {
        let retention = self.settings.retention;
        Cutoffs {
            tasks: retention.tasks.map(|kept| self.now.before(kept)),
            attempts: retention.attempts.map(|kept| self.now.before(kept)),
            events: retention.events.map(|kept| self.now.before(kept)),
            mark: self.attempts_mark,
            last_number: self.last_number,
            head: self.head,
        }
    }

    /// The task up to which attempts are pruned.
    #[cfg(feature = "sql")]
    pub(in crate::store) fn attempts_mark(&self) -> Mark {
        self.attempts_mark
    }

    /// The tasks that may go, and those whose attempts may, of the ones in memory.
    pub(in crate::store) fn due_in_memory(&self) -> Due {
        let cutoffs = self.cutoffs();
        let mut settled: Vec<_> = self
            .tasks
            .values()
            .filter_map(|entry| Some((mark_of(entry)?, entry)))
            .filter(|(mark, _)| mark.number < cutoffs.last_number)
            .collect();
        settled.sort_unstable_by_key(|(mark, _)| *mark);
        let old = |cutoff: Option<Timestamp>, mark: &Mark| cutoff.is_some_and(|cutoff| mark.settled_at <= cutoff);
        let goes = |(mark, entry): &&(Mark, &Entry)| old(cutoffs.tasks, mark) && !self.is_needed(entry);
        let tasks = settled.iter().filter(goes).take(PRUNE_BATCH);
        let attempts = settled.iter().filter(|(mark, _)| old(cutoffs.attempts, mark) && *mark > cutoffs.mark);
        Due {
            tasks: tasks.map(|(_, entry)| (entry.task.clone(), entry.number)).collect(),
            attempts: attempts.map(|(mark, entry)| (entry.task.id(), *mark)).take(PRUNE_BATCH).collect(),
            events: Vec::new(),
        }
    }

    /// Whether somebody may still ask for a task: another one depends on it, or its stack is as it left it.
    fn is_needed(&self, entry: &Entry) -> bool {
        let is_newest = entry.task.spec.placed.is_some() && self.superseded_by(entry).is_none();
        is_newest || self.dependants.contains_key(&entry.task.id())
    }

    /// Removes what was found in the tables when this was asked.
    #[cfg(feature = "sql")]
    pub(in crate::store) fn prune_found(&mut self) -> Pruned {
        let due = self.due.take().unwrap_or_default();
        self.prune(due)
    }

    /// Removes what is due, at most [`PRUNE_BATCH`] in all: tasks first, then attempts, then events.
    pub(in crate::store) fn prune(&mut self, due: Due) -> Pruned {
        let mut pruned = Pruned::default();
        let mut gone = BTreeSet::new();
        for (task, number) in due.tasks {
            gone.insert(task.id());
            self.count_removed(&task);
            self.remove(task.id());
            self.changes.gone.tasks.push((task, number));
            pruned.tasks += 1;
        }
        for (id, mark) in due.attempts {
            if !gone.contains(&id) {
                if pruned.tasks + pruned.attempts == PRUNE_BATCH {
                    break;
                }
                self.remove_attempts(id);
                self.changes.gone.attempts.push(mark.number);
                pruned.attempts += 1;
            }
            self.attempts_mark = mark;
        }
        let rest = PRUNE_BATCH - pruned.tasks - pruned.attempts;
        let events: Vec<_> = due.events.into_iter().take(rest).collect();
        pruned.events = events.len();
        self.changes.gone.events = events.last().copied();
        // What goes may have been all that kept another one.
        pruned.more = pruned.tasks > 0 || pruned.attempts + pruned.events == PRUNE_BATCH;
        pruned
    }

    /// Takes a task that is not in the queue out of memory, with all that is known of it.
    pub(super) fn remove(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.remove(&id) else { return };
        for dependency in &entry.task.spec.depends_on {
            if let Some(dependants) = self.dependants.get_mut(dependency) {
                dependants.remove(&id);
                if dependants.is_empty() {
                    self.dependants.remove(dependency);
                }
            }
        }
        self.dependants.remove(&id);
        if let Some(key) = &entry.task.spec.idempotency_key {
            self.keys.remove(key);
        }
        self.remove_attempts(id);
    }

    fn remove_attempts(&mut self, id: TaskId) {
        let attempts: Vec<Attempt> = self.attempts_of(id).map(|entry| entry.record.attempt).collect();
        for attempt in attempts {
            self.attempts.remove(&(id, attempt));
        }
    }
}

fn mark_of(entry: &Entry) -> Option<Mark> {
    Some(Mark { settled_at: entry.task.state.settled_at()?, number: entry.number })
}
