//! What stands in the place of what cannot be read back: damaged, or written by another version of this program. One such
//! row must not keep the store from opening or a list from its other rows, and must not pass for a sound one.

use std::time::Duration;

use serde_json::Value;

use super::error::SqlError;
use super::rows::{Row, optional_word, word};
use crate::clock::Timestamp;
use crate::id::{AgentId, Attempt, Generation, SessionId, Slot, TaskId};
use crate::store::AttemptRecord;
use crate::task::{
    AGEING_STEP, CancelReason, Failure, FailureCode, Lease, NewTask, Outcome, Placed, Priority, TaskState, TaskStatus,
    TaskType, cut_message,
};

/// Where a name should stand and none can be read.
pub(super) const UNREADABLE: &str = "unreadable";

/// What of a row could not be read.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    /// Notes why a value cannot be read; then there is none. Other errors concern more than the row and pass through.
    pub(super) fn note<T>(&mut self, read: Result<T, SqlError>) -> Result<Option<T>, SqlError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(SqlError::Corrupt { what, source }) => {
                self.0.push(format!("{what} cannot be read: {source}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All that was noted; none when everything could be read.
    pub(super) fn told(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| cut_message(self.0.join("; ")))
    }
}

/// A value, or none where it cannot be read.
fn known<T>(read: Result<T, SqlError>) -> Result<Option<T>, SqlError> {
    Faults::default().note(read)
}

/// What a task was to do, as far as the columns beside its spec tell.
pub(super) fn spec(id: TaskId, row: &dyn Row) -> Result<NewTask, SqlError> {
    let agent = known(row.text("agent").and_then(|agent| word("agent", &agent)))?;
    let agent = match agent {
        Some(agent) => agent,
        None => AgentId::new(UNREADABLE).map_err(|error| SqlError::corrupt(format!("task {id}"), error))?,
    };
    let task_type = known(row.text("type").and_then(|name| word("type", &name)))?;
    let task_type = task_type.unwrap_or_else(|| TaskType::Custom(UNREADABLE.into()));
    let container = known(optional_word(row, "container"))?.flatten();
    let stack = known(optional_word(row, "stack"))?.flatten();
    let placed = stack.map(|stack| Placed { stack, generation: Generation::default(), container, slot: Slot(0) });
    let ready_at = Timestamp::from_micros(row.integer("ready_at")?);
    let urgency = ready_at.since(Timestamp::from_micros(row.integer("order_at")?));
    let priority = priority_of(urgency).unwrap_or_else(|| task_type.default_priority());
    Ok(NewTask { id, placed, priority, payload: Value::Null, ..NewTask::new(agent, task_type) })
}

/// The priority that puts a task so far ahead of its time.
fn priority_of(urgency: Duration) -> Option<Priority> {
    let steps = urgency.as_secs() / AGEING_STEP.as_secs();
    Priority::new(u8::try_from(steps).ok()?).ok()
}

/// How far a task is, as far as the columns beside its state tell.
pub(super) fn state(row: &dyn Row, attempt: Attempt, why: &str) -> Result<TaskState, SqlError> {
    let at = |micros| Timestamp::from_micros(micros);
    let settled_at = row.optional_integer("settled_at")?;
    let status = known(row.text("status").and_then(|status| word("status", &status)))?;
    let open = if settled_at.is_some() { TaskStatus::Failed } else { TaskStatus::Pending };
    let (status, settled) = (status.unwrap_or(open), at(settled_at.unwrap_or_default()));
    let lease = |given: i64| {
        let given = at(given);
        Lease { session: nobody(), attempt, assigned_at: given, deadline: given, cancel: None }
    };
    Ok(match status {
        TaskStatus::Pending => TaskState::NEW,
        TaskStatus::Assigned => TaskState::Assigned { lease: lease(row.integer("ready_at")?) },
        TaskStatus::Running => {
            let lease = lease(row.integer("ready_at")?);
            TaskState::Running { started_at: lease.assigned_at, lease, progress: None }
        }
        TaskStatus::Completed => {
            let outcome = Outcome { warnings: vec![why.to_owned()], ..Outcome::default() };
            TaskState::Completed { at: settled, outcome }
        }
        TaskStatus::Failed => TaskState::Failed { at: settled, failure: Failure::new(FailureCode::Unreadable, why) },
        TaskStatus::Cancelled => {
            let reason = CancelReason::Requested { by: UNREADABLE.into() };
            TaskState::Cancelled { at: settled, reason, undone: Some(why.to_owned()) }
        }
    })
}

/// An attempt of which only the number is known.
pub(super) fn attempt(attempt: Attempt, why: Option<String>) -> AttemptRecord {
    AttemptRecord {
        attempt,
        session: nobody(),
        assigned_at: Timestamp::EPOCH,
        started_at: None,
        ended_at: None,
        ended: Some(UNREADABLE.into()),
        error: why,
    }
}

fn nobody() -> SessionId {
    SessionId::from_uuid(uuid::Uuid::nil())
}
