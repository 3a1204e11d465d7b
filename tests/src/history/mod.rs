//! What processes said and heard, and what a server kept of it: judged by the promises of the queue.
//!
//! A [`History`] is gathered after the processes have ended; [`broken`] is a pure function over it. It knows neither
//! processes nor HTTP, so that histories that never happened can be put before it: each promise is tested with one
//! that breaks it.

pub mod call;
pub mod log;
mod promise;
#[cfg(test)]
mod story;

use std::collections::BTreeMap;

use graphium_core::id::{AgentId, Attempt, Generation, TaskId};
use graphium_core::store::AttemptRecord;
use graphium_core::task::TaskStatus;

use call::Call;
use log::{Change, Entry};

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Every call of every process.
    pub calls: Vec<Call>,
    /// The server's log, read at the end.
    pub log: Vec<Entry>,
    /// Numbers and digests of the events as readers saw them who followed the log while it grew, by reader.
    pub followed: BTreeMap<String, Vec<(u64, u64)>>,
    /// Every task, as the server shows it at the end.
    pub tasks: BTreeMap<TaskId, Kept>,
    /// How many tasks the server counts in each status.
    pub counts: BTreeMap<TaskStatus, u64>,
}

/// A task as the server kept it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Whose it is.
    pub agent: AgentId,
    /// How far it is.
    pub status: TaskStatus,
    /// The number of its latest claim.
    pub attempt: Attempt,
    /// Its serial key.
    pub lane: Option<String>,
    /// The deployment that it serves.
    pub generation: Option<Generation>,
    /// What it waits for.
    pub depends_on: Vec<TaskId>,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRecord>,
}

/// Everything that is broken, each with the promise that it breaks.
#[must_use]
pub fn broken(history: &History) -> Vec<(&'static str, String)> {
    promise::ALL
        .into_iter()
        .flat_map(|(name, broken)| broken(history).into_iter().map(move |what| (name, what)))
        .collect()
}

/// A change of a task's status, as the log tells it.
#[derive(Debug, Clone, Copy)]
struct Update<'a> {
    seq: u64,
    task: TaskId,
    from: TaskStatus,
    to: TaskStatus,
    attempt: Attempt,
    wished: bool,
    reason: Option<&'a str>,
    actor: &'a str,
}

impl History {
    /// The changes of all tasks, in the order of the log.
    fn updates(&self) -> impl Iterator<Item = Update<'_>> {
        self.log.iter().filter_map(|entry| match &entry.about {
            Some((task, Change::Updated { from, to, attempt, wished, reason, actor })) => Some(Update {
                seq: entry.seq,
                task: *task,
                from: *from,
                to: *to,
                attempt: *attempt,
                wished: *wished,
                reason: reason.as_deref(),
                actor,
            }),
            Some((_, Change::Created | Change::Progress(_))) | None => None,
        })
    }
}

/// Whether an agent holds a task of this status.
fn is_held(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Assigned | TaskStatus::Running)
}
