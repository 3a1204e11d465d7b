//! The event log as the rules look at it: what each entry says about a task, and a digest of the rest.

use std::hash::{DefaultHasher, Hash, Hasher};

use graphium_core::clock::Timestamp;
use graphium_core::event::{Event, EventType};
use graphium_core::id::{Attempt, TaskId};
use graphium_core::task::TaskStatus;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// A digest of everything that it says.
    pub digest: u64,
    /// What it says about a task; none when it is about something else.
    pub about: Option<(TaskId, Change)>,
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It entered the queue.
    Created,
    /// It changed, or somebody wished it to stop.
    Updated {
        /// What it was.
        from: TaskStatus,
        /// What it is.
        to: TaskStatus,
        /// Under which claim.
        attempt: Attempt,
        /// Whether a wish to stop is on its way to the agent.
        wished: bool,
        /// Why it was cancelled, or is to be: the word for it.
        reason: Option<String>,
        /// Who caused it.
        actor: String,
    },
    /// It told how far it is.
    Progress(Attempt),
}

/// A digest of an event, equal for two readers that were told the same.
#[must_use]
pub fn digest(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(event).unwrap_or_else(|error| unreachable!("an event is JSON: {error}")).hash(&mut hasher);
    hasher.finish()
}

impl TryFrom<&Event> for Entry {
    type Error = String;

    fn try_from(event: &Event) -> Result<Self, String> {
        let attempt = || {
            let number = event.data["attempt"].as_u64();
            number.map(Attempt).ok_or_else(|| format!("event {} of a task carries no attempt", event.seq))
        };
        let change = if event.kind == EventType::TaskCreated {
            Some(Change::Created)
        } else if event.kind == EventType::TaskUpdated {
            Some(Change::Updated {
                from: status(event, "previousStatus")?,
                to: status(event, "status")?,
                attempt: attempt()?,
                wished: event.data["cancelRequestedAt"].is_string(),
                reason: event.data["cancelReason"]["reason"].as_str().map(str::to_owned),
                actor: event.actor.clone(),
            })
        } else if event.kind == EventType::TaskProgress {
            Some(Change::Progress(attempt()?))
        } else {
            None
        };
        let task = || event.task_id.ok_or_else(|| format!("event {} is about a task and names none", event.seq));
        let about = change.map(|change| task().map(|task| (task, change))).transpose()?;
        Ok(Self { seq: event.seq.0, at: event.timestamp, digest: digest(event), about })
    }
}

fn status(event: &Event, field: &str) -> Result<TaskStatus, String> {
    serde_json::from_value(event.data[field].clone()).map_err(|error| format!("event {}, {field}: {error}", event.seq))
}
