//! One claim of a task, and how it ended.

use crate::id::TaskId;
use crate::store::{AttemptRecord, ReportedStatus};
#[cfg(feature = "sql")]
use crate::task::Task;
use crate::task::{Failure, FailureCode, TaskEvent, TaskState};

use sha2::{Digest, Sha256};

/// An attempt with the mark of the report that ended it, so that the same report can be told from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct AttemptEntry {
    pub(in crate::store) task: TaskId,
    pub(in crate::store) record: AttemptRecord,
    /// The [`report_mark`] of what its agent reported at its end; none when the server ended it.
    pub(in crate::store) report: Option<String>,
}

impl AttemptEntry {
    /// The attempt that somebody works on, which is the lease in the state of the task.
    #[cfg(feature = "sql")]
    pub(in crate::store) fn in_progress(task: &Task) -> Option<Self> {
        Some(Self { task: task.id(), record: in_progress(&task.state)?, report: None })
    }
}

/// What is known of the attempt that somebody works on.
pub(super) fn in_progress(state: &TaskState) -> Option<AttemptRecord> {
    let lease = state.lease()?;
    let started_at = if let TaskState::Running { started_at, .. } = state { Some(*started_at) } else { None };
    let (attempt, session, assigned_at) = (lease.attempt, lease.session, lease.assigned_at);
    Some(AttemptRecord { attempt, session, assigned_at, started_at, ended_at: None, ended: None, error: None })
}

/// A digest of a report. Equal reports have equal marks.
pub(super) fn report_mark(status: &ReportedStatus) -> String {
    let text = serde_json::to_string(status).unwrap_or_else(|_| format!("{status:?}"));
    hex::encode(Sha256::digest(text))
}

/// How an event ends an attempt, and with what error; none when it does not.
pub(super) fn ending(event: &TaskEvent) -> Option<(&'static str, Option<String>)> {
    match event {
        TaskEvent::Complete { .. } => Some(("completed", None)),
        TaskEvent::Fail { failure, .. } | TaskEvent::Condemn { failure, .. } => {
            Some((ending_of(failure), Some(failure.to_string())))
        }
        TaskEvent::AcknowledgeCancel { undone, .. } => Some(("cancelled", undone.clone())),
        TaskEvent::HandBack { .. } => Some(("handed_back", None)),
        TaskEvent::Claim { .. }
        | TaskEvent::Start { .. }
        | TaskEvent::Advance { .. }
        | TaskEvent::Cancel { .. }
        | TaskEvent::Retry
        | TaskEvent::Revive => None,
    }
}

fn ending_of(failure: &Failure) -> &'static str {
    if failure.code == FailureCode::Lost {
        "lost"
    } else if failure.code == FailureCode::Timeout {
        "timeout"
    } else {
        "failed"
    }
}
