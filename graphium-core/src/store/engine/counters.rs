//! The queue in numbers, kept as it changes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Engine;
use crate::clock::Timestamp;
use crate::store::{TaskStats, WaitPercentiles};
use crate::task::{Task, TaskStatus, TaskType};

/// From how many of the latest times the percentiles are taken. They are not kept: they say how the queue does now.
const SAMPLES: usize = 1024;

/// How many tasks there are of each kind, and how long the latest ones took.
#[derive(Debug, Default)]
pub(in crate::store) struct Counters {
    pub(in crate::store) by_status: BTreeMap<TaskStatus, u64>,
    pub(in crate::store) by_type: BTreeMap<TaskType, u64>,
    waits: VecDeque<Duration>,
    runs: VecDeque<Duration>,
}

fn keep(samples: &mut VecDeque<Duration>, sample: Duration) {
    if samples.len() == SAMPLES {
        samples.pop_front();
    }
    samples.push_back(sample);
}

impl Engine {
    /// Counts a task that is new.
    pub(super) fn count_created(&mut self, task_type: &TaskType) {
        *self.counters.by_status.entry(TaskStatus::Pending).or_default() += 1;
        *self.counters.by_type.entry(task_type.clone()).or_default() += 1;
        self.changes.statuses.insert(TaskStatus::Pending);
        self.changes.types.insert(task_type.clone());
    }

    /// Counts a task no more.
    pub(super) fn count_removed(&mut self, task: &Task) {
        let (status, name) = (task.status(), &task.spec.task_type);
        if let Some(count) = self.counters.by_status.get_mut(&status) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.counters.by_type.get_mut(name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counters.by_type.remove(name);
            }
        }
        self.changes.statuses.insert(status);
        self.changes.types.insert(name.clone());
    }

    /// Counts a task that went from one status to another.
    pub(super) fn count_moved(&mut self, from: TaskStatus, to: TaskStatus) {
        if from == to {
            return;
        }
        if let Some(count) = self.counters.by_status.get_mut(&from) {
            *count = count.saturating_sub(1);
        }
        *self.counters.by_status.entry(to).or_default() += 1;
        self.changes.statuses.extend([from, to]);
    }

    /// Notes how long a task waited for its claim.
    pub(super) fn sample_wait(&mut self, claimable_since: Timestamp) {
        keep(&mut self.counters.waits, self.now.since(claimable_since));
    }

    /// Notes how long an agent took for an attempt.
    pub(super) fn sample_run(&mut self, assigned_at: Timestamp) {
        keep(&mut self.counters.runs, self.now.since(assigned_at));
    }

    /// The queue in numbers.
    pub(in crate::store) fn stats(&self) -> TaskStats {
        let count = |status| self.counters.by_status.get(&status).copied().unwrap_or(0);
        let oldest = self.queues.oldest_claimable().map(|since| self.now.since(since));
        TaskStats {
            by_status: TaskStatus::ALL.into_iter().map(|status| (status, count(status))).collect(),
            by_type: self.counters.by_type.clone(),
            oldest_claimable_ms: oldest.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            wait: WaitPercentiles::of(self.counters.waits.iter().copied().collect()),
            run: WaitPercentiles::of(self.counters.runs.iter().copied().collect()),
        }
    }
}
