//! How attempts end, and whether another one follows.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Engine, SERVER};
use crate::clock::Timestamp;
use crate::id::{AgentId, TaskId};
use crate::task::{Failure, FailureCode, Task, TaskEvent, TaskStatus, backoff};

impl Engine {
    /// Ends an attempt as failed. Another follows after a backoff when the failure, the budget and the generation of the
    /// task allow it.
    pub(super) fn fail(&mut self, id: TaskId, failure: Failure, actor: &str) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let task = &entry.task;
        let again = failure.retryable && task.may_retry() && self.superseded_by(entry).is_none();
        let retry_at = again.then(|| self.now.after(backoff(task.retry_count, self.jitter(task))));
        self.end_attempt(id, failure, retry_at, actor);
        self.cascade();
    }

    /// Takes a task from an agent whose session is over. It costs a retry and needs no backoff. What a newer generation made
    /// pointless gets no further attempt.
    pub(super) fn lose(&mut self, id: TaskId, message: &str) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let again = self.superseded_by(entry).is_some() || entry.task.may_retry();
        let failure = Failure::new(FailureCode::Lost, message);
        self.end_attempt(id, failure, again.then_some(self.now), SERVER);
        self.drop_superseded(id);
        self.cascade();
    }

    /// Takes a task back from an agent that is stopping, at no cost.
    pub(super) fn hand_back(&mut self, id: TaskId, actor: &str) {
        let Some(attempt) = self.tasks.get(&id).map(|entry| entry.task.attempt) else { return };
        self.must_step(id, TaskEvent::HandBack { attempt, at: self.now }, actor);
        self.drop_superseded(id);
        self.cascade();
    }

    fn end_attempt(&mut self, id: TaskId, failure: Failure, retry_at: Option<Timestamp>, actor: &str) {
        let Some(attempt) = self.tasks.get(&id).map(|entry| entry.task.attempt) else { return };
        let event = TaskEvent::Fail { attempt, at: self.now, failure, retry_at };
        self.must_step_with(id, event, actor, |task| {
            if let (TaskStatus::Pending, Some(retry_at)) = (task.status(), retry_at) {
                task.retry_count += 1;
                task.ready_at = retry_at;
            }
        });
    }

    /// Cancels a task that went back to waiting although a newer generation made it pointless.
    fn drop_superseded(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get(&id) else { return };
        if entry.task.status() == TaskStatus::Pending
            && let Some(by) = self.superseded_by(entry)
        {
            self.must_step(id, self.superseded(by), SERVER);
        }
    }

    /// Takes everything that an agent holds, because its session is over.
    pub(super) fn lose_held(&mut self, agent: &AgentId, message: &str) -> usize {
        let held: Vec<_> = self.queues.held(agent).collect();
        for id in &held {
            self.lose(*id, message);
        }
        held.len()
    }

    /// The jitter of a task's next backoff: a function of seed, task and attempt, so that the same history gives the
    /// same delays.
    fn jitter(&self, task: &Task) -> f64 {
        let (high, low) = task.id().as_uuid().as_u64_pair();
        let seed = self.seed ^ high.rotate_left(32) ^ low ^ task.attempt.0.rotate_left(48);
        StdRng::seed_from_u64(seed).random()
    }
}
