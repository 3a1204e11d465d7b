//! The life of a task: six states that own their data, and one pure function between them.

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome};
use crate::clock::Timestamp;
use crate::id::{Attempt, Generation, SessionId, TaskId};

/// The status of a task, as the wire names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waits: for its agent, its time, its dependencies or its lane.
    Pending,
    /// Handed to an agent that has not begun.
    Assigned,
    /// Being executed.
    Running,
    /// Ended as asked.
    Completed,
    /// Ended otherwise; no further attempt comes by itself.
    Failed,
    /// Ended before or during its work, by a wish or because its work became pointless.
    Cancelled,
}

impl TaskStatus {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Assigned, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The status as the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the life is over, as far as nobody asks for a retry.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl std::fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A time-bound right to work on a task. It lives as long as the session it hangs on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Whose right it is.
    pub session: SessionId,
    /// The number that every write under this lease carries.
    pub attempt: Attempt,
    /// When it was given.
    pub assigned_at: Timestamp,
    /// When the attempt must be over, whether or not the session lives.
    pub deadline: Timestamp,
    /// A wish to stop that the agent has not acknowledged yet.
    pub cancel: Option<CancelRequest>,
}

/// A wish to stop a task that somebody is working on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// When it came.
    pub at: Timestamp,
    /// Why.
    pub reason: CancelReason,
}

/// Why a task was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "reason", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum CancelReason {
    /// Somebody asked for it.
    Requested {
        /// Who.
        by: String,
    },
    /// A task it depends on failed for good or was cancelled.
    DependencyFailed {
        /// That task.
        dependency: TaskId,
    },
    /// A newer generation of its stack made it pointless.
    Superseded {
        /// That generation.
        by: Generation,
    },
}

impl std::fmt::Display for CancelReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requested { by } => write!(f, "cancelled by {by}"),
            Self::DependencyFailed { dependency } => write!(f, "its dependency {dependency} did not complete"),
            Self::Superseded { by } => write!(f, "superseded by generation {by}"),
        }
    }
}

/// How far a running task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The step it is in.
    pub step: String,
    /// How much of the step is done, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// More, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far a task is. Each variant owns the data that only it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TaskState {
    /// Waits to be claimed.
    Pending {
        /// Not to be claimed before: the end of a backoff.
        not_before: Option<Timestamp>,
        /// Why the attempt before this wait did not settle it.
        last_failure: Option<Failure>,
    },
    /// Handed to an agent that has not begun.
    Assigned {
        /// The right to work on it.
        lease: Lease,
    },
    /// Being executed.
    Running {
        /// The right to work on it.
        lease: Lease,
        /// When the agent began.
        started_at: Timestamp,
        /// How far it is, as last reported.
        progress: Option<Progress>,
    },
    /// Ended as asked.
    Completed {
        /// When.
        at: Timestamp,
        /// The result.
        outcome: Outcome,
    },
    /// Ended otherwise.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        failure: Failure,
    },
    /// Ended before or during its work.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why.
        reason: CancelReason,
        /// What the agent undid or left, when it had begun.
        undone: Option<String>,
    },
}

/// What can happen to a task.
///
/// Times are decided by the caller, so that applying stays pure. `retry_at` says whether a further attempt is
/// due: the caller knows the retry budget, the class of the failure and the backoff.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskEvent {
    /// An agent's session takes it.
    Claim {
        /// The right to work on it.
        lease: Lease,
    },
    /// The agent begins.
    Start {
        /// Under which claim.
        attempt: Attempt,
        /// When.
        at: Timestamp,
    },
    /// The agent says how far it is.
    Advance {
        /// Under which claim.
        attempt: Attempt,
        /// How far.
        progress: Progress,
        /// When.
        at: Timestamp,
    },
    /// The agent ended as asked. True even when a cancel was on its way: the work was done.
    Complete {
        /// Under which claim.
        attempt: Attempt,
        /// When.
        at: Timestamp,
        /// The result.
        outcome: Outcome,
    },
    /// The agent, or the server for it, says that the attempt failed.
    Fail {
        /// Under which claim.
        attempt: Attempt,
        /// When.
        at: Timestamp,
        /// Why.
        failure: Failure,
        /// When the next attempt may begin; `None` settles the task. A pending cancel overrides it.
        retry_at: Option<Timestamp>,
    },
    /// The agent stopped because of a cancel.
    AcknowledgeCancel {
        /// Under which claim.
        attempt: Attempt,
        /// When.
        at: Timestamp,
        /// What it undid or left.
        undone: Option<String>,
    },
    /// The agent hands it back unfinished, at no cost to the task.
    HandBack {
        /// Under which claim.
        attempt: Attempt,
        /// When.
        at: Timestamp,
    },
    /// The store cannot read it back, so nobody can work on it.
    Condemn {
        /// When.
        at: Timestamp,
        /// Why, and what can be done.
        failure: Failure,
    },
    /// Somebody, or a rule, wants it to stop.
    Cancel {
        /// When.
        at: Timestamp,
        /// Why.
        reason: CancelReason,
    },
    /// An operator wants a failed or cancelled task tried again.
    Retry,
    /// What it depends on was retried, so its own cancellation is undone.
    Revive,
}

/// A transition that the table does not have. A value, not a panic: input from disk or wire may ask for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {status} cannot {event}: {fault}")]
pub struct InvalidTransition {
    /// What the task is.
    pub status: TaskStatus,
    /// What was to happen to it.
    pub event: &'static str,
    /// Why that cannot be.
    pub fault: TransitionFault,
}

/// Why a transition is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionFault {
    /// The table has no such entry.
    #[error("no such transition")]
    NoSuchTransition,
    /// The event carries the number of another claim.
    #[error("stale attempt {given}, the current one is {current}")]
    StaleAttempt {
        /// What the event carries.
        given: Attempt,
        /// What the lease carries.
        current: Attempt,
    },
    /// An acknowledgement of a cancel that nobody asked for.
    #[error("no cancel was requested")]
    NotRequested,
}

impl TaskEvent {
    /// Its name in messages and in the lifecycle table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Start { .. } => "start",
            Self::Advance { .. } => "advance",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } => "fail",
            Self::AcknowledgeCancel { .. } => "acknowledge_cancel",
            Self::HandBack { .. } => "hand_back",
            Self::Condemn { .. } => "condemn",
            Self::Cancel { .. } => "cancel",
            Self::Retry => "retry",
            Self::Revive => "revive",
        }
    }

    const fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Start { attempt, .. }
            | Self::Advance { attempt, .. }
            | Self::Complete { attempt, .. }
            | Self::Fail { attempt, .. }
            | Self::AcknowledgeCancel { attempt, .. }
            | Self::HandBack { attempt, .. } => Some(*attempt),
            Self::Claim { .. } | Self::Condemn { .. } | Self::Cancel { .. } | Self::Retry | Self::Revive => None,
        }
    }
}

impl TaskState {
    /// The state of a task that has just been submitted.
    pub const NEW: Self = Self::Pending { not_before: None, last_failure: None };

    /// Its status, as the wire names it.
    #[must_use]
    pub const fn status(&self) -> TaskStatus {
        match self {
            Self::Pending { .. } => TaskStatus::Pending,
            Self::Assigned { .. } => TaskStatus::Assigned,
            Self::Running { .. } => TaskStatus::Running,
            Self::Completed { .. } => TaskStatus::Completed,
            Self::Failed { .. } => TaskStatus::Failed,
            Self::Cancelled { .. } => TaskStatus::Cancelled,
        }
    }

    /// Whether the life is over, as far as nobody asks for a retry.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.status().is_settled()
    }

    /// The right under which somebody works on it.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Assigned { lease } | Self::Running { lease, .. } => Some(lease),
            Self::Pending { .. } | Self::Completed { .. } | Self::Failed { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// When it settled.
    #[must_use]
    pub const fn settled_at(&self) -> Option<Timestamp> {
        match self {
            Self::Completed { at, .. } | Self::Failed { at, .. } | Self::Cancelled { at, .. } => Some(*at),
            Self::Pending { .. } | Self::Assigned { .. } | Self::Running { .. } => None,
        }
    }

    /// The state after `event`.
    ///
    /// Settled states absorb: only `Retry`, and `Revive` for the cancelled dependants of a retried task,
    /// leave one. Everything an agent says is fenced by the attempt of the lease.
    ///
    /// # Errors
    /// [`InvalidTransition`] when the table has no such entry, the attempt is stale, or a cancel is
    /// acknowledged that nobody asked for. Nothing has changed then.
    pub fn apply(self, event: TaskEvent) -> Result<Self, InvalidTransition> {
        let status = self.status();
        let name = event.name();
        let refuse = |fault| Err(InvalidTransition { status, event: name, fault });

        if let (Some(lease), Some(given)) = (self.lease(), event.attempt())
            && lease.attempt != given
        {
            return refuse(TransitionFault::StaleAttempt { given, current: lease.attempt });
        }
        match (self, event) {
            (Self::Pending { .. }, TaskEvent::Claim { lease }) => Ok(Self::Assigned { lease }),
            (Self::Pending { .. }, TaskEvent::Cancel { at, reason }) => {
                Ok(Self::Cancelled { at, reason, undone: None })
            }
            (Self::Assigned { lease }, TaskEvent::Start { at, .. }) => {
                Ok(Self::Running { lease, started_at: at, progress: None })
            }
            (running @ Self::Running { .. }, TaskEvent::Start { .. }) => Ok(running),
            (Self::Assigned { lease }, TaskEvent::Advance { progress, at, .. }) => {
                Ok(Self::Running { lease, started_at: at, progress: Some(progress) })
            }
            (Self::Running { lease, started_at, .. }, TaskEvent::Advance { progress, .. }) => {
                Ok(Self::Running { lease, started_at, progress: Some(progress) })
            }
            (
                Self::Pending { .. } | Self::Assigned { .. } | Self::Running { .. },
                TaskEvent::Condemn { at, failure },
            ) => Ok(Self::Failed { at, failure }),
            (Self::Assigned { lease }, TaskEvent::Cancel { at, reason }) => {
                Ok(Self::Assigned { lease: lease.with_cancel(at, reason) })
            }
            (Self::Running { lease, started_at, progress }, TaskEvent::Cancel { at, reason }) => {
                Ok(Self::Running { lease: lease.with_cancel(at, reason), started_at, progress })
            }
            (Self::Assigned { lease } | Self::Running { lease, .. }, event) => match lease.settle(event) {
                Ok(next) => Ok(next),
                Err(fault) => refuse(fault),
            },
            (Self::Failed { .. } | Self::Cancelled { .. }, TaskEvent::Retry) => Ok(Self::NEW),
            (Self::Cancelled { reason: CancelReason::DependencyFailed { .. }, .. }, TaskEvent::Revive) => Ok(Self::NEW),
            (Self::Pending { .. } | Self::Completed { .. } | Self::Failed { .. } | Self::Cancelled { .. }, _) => {
                refuse(TransitionFault::NoSuchTransition)
            }
        }
    }
}

impl Lease {
    /// The first wish counts; a second one changes nothing.
    fn with_cancel(mut self, at: Timestamp, reason: CancelReason) -> Self {
        self.cancel.get_or_insert(CancelRequest { at, reason });
        self
    }

    /// Where an attempt ends when it ends. A pending cancel lets the true outcome stand but allows no
    /// further attempt.
    fn settle(self, event: TaskEvent) -> Result<TaskState, TransitionFault> {
        match (event, self.cancel) {
            (TaskEvent::Complete { at, outcome, .. }, _) => Ok(TaskState::Completed { at, outcome }),
            (TaskEvent::Fail { failure, retry_at: Some(not_before), .. }, None) => {
                Ok(TaskState::Pending { not_before: Some(not_before), last_failure: Some(failure) })
            }
            (TaskEvent::Fail { at, failure, .. }, _) => Ok(TaskState::Failed { at, failure }),
            (TaskEvent::AcknowledgeCancel { at, undone, .. }, Some(cancel)) => {
                Ok(TaskState::Cancelled { at, reason: cancel.reason, undone })
            }
            (TaskEvent::AcknowledgeCancel { .. }, None) => Err(TransitionFault::NotRequested),
            (TaskEvent::HandBack { .. }, None) => Ok(TaskState::NEW),
            (TaskEvent::HandBack { at, .. }, Some(cancel)) => {
                Ok(TaskState::Cancelled { at, reason: cancel.reason, undone: None })
            }
            (
                TaskEvent::Claim { .. }
                | TaskEvent::Start { .. }
                | TaskEvent::Advance { .. }
                | TaskEvent::Condemn { .. }
                | TaskEvent::Cancel { .. }
                | TaskEvent::Retry
                | TaskEvent::Revive,
                _,
            ) => Err(TransitionFault::NoSuchTransition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::FailureCode;

    const AT: Timestamp = Timestamp::EPOCH;

    fn lease(attempt: u64) -> Lease {
        let session = SessionId::from_uuid(uuid::Uuid::nil());
        Lease { session, attempt: Attempt(attempt), assigned_at: AT, deadline: AT, cancel: None }
    }

    fn assigned(attempt: u64) -> TaskState {
        TaskState::NEW.apply(TaskEvent::Claim { lease: lease(attempt) }).unwrap()
    }

    fn lost() -> Failure {
        Failure::new(FailureCode::Lost, "the lease ended")
    }

    fn cancel() -> TaskEvent {
        TaskEvent::Cancel { at: AT, reason: CancelReason::Requested { by: "ann".into() } }
    }

    #[test]
    fn a_stale_attempt_is_refused_with_both_numbers() {
        let late = TaskEvent::Complete { attempt: Attempt(1), at: AT, outcome: Outcome::default() };
        let error = assigned(2).apply(late).unwrap_err();
        assert_eq!(error.fault, TransitionFault::StaleAttempt { given: Attempt(1), current: Attempt(2) });
    }

    #[test]
    fn a_cancel_during_work_keeps_the_true_outcome() {
        let state = assigned(1).apply(cancel()).unwrap();
        let done = TaskEvent::Complete { attempt: Attempt(1), at: AT, outcome: Outcome::default() };
        assert_eq!(state.apply(done).unwrap().status(), TaskStatus::Completed);
    }

    #[test]
    fn a_cancel_during_work_allows_no_further_attempt() {
        let state = assigned(1).apply(cancel()).unwrap();
        let fail = TaskEvent::Fail { attempt: Attempt(1), at: AT, failure: lost(), retry_at: Some(AT) };
        assert_eq!(state.apply(fail).unwrap().status(), TaskStatus::Failed);
    }

    #[test]
    fn a_second_cancel_does_not_replace_the_first() {
        let second = TaskEvent::Cancel { at: AT, reason: CancelReason::Requested { by: "bob".into() } };
        let state = assigned(1).apply(cancel()).unwrap().apply(second).unwrap();
        let wish = state.lease().and_then(|lease| lease.cancel.clone()).unwrap();
        assert_eq!(wish.reason, CancelReason::Requested { by: "ann".into() });
    }

    #[test]
    fn only_a_dependants_cancellation_is_undone_by_the_cascade() {
        let cancelled = |reason| TaskState::Cancelled { at: AT, reason, undone: None };
        let dependant = cancelled(CancelReason::DependencyFailed { dependency: TaskId::generate() });
        assert_eq!(dependant.apply(TaskEvent::Revive).unwrap().status(), TaskStatus::Pending);

        let wished = cancelled(CancelReason::Requested { by: "ann".into() });
        assert!(wished.apply(TaskEvent::Revive).is_err());
    }

    #[test]
    fn nothing_leaves_completed() {
        let completed = TaskState::Completed { at: AT, outcome: Outcome::default() };
        for event in [cancel(), TaskEvent::Retry, TaskEvent::Revive, TaskEvent::Claim { lease: lease(2) }] {
            assert!(completed.clone().apply(event).is_err());
        }
    }
}
