//! The durable unit of work: what a task is, and the only ways in which it may change.
//!
//! A [`Task`] is what was asked for; its [`TaskState`] is how far it is. States change
//! through [`TaskState::apply`] alone. This module is pure: no store, no clock, no I/O.

mod bounds;
mod lifecycle;
mod outcome;
mod payload;
mod priority;
mod retry;
mod seconds;
mod spec;
mod state;
mod submit;
mod wire;

pub use bounds::{
    MAX_INSTANCE_REPORTS, MAX_MESSAGE_BYTES, MAX_OUTCOME_BYTES, MAX_OUTCOME_DATA_BYTES, MAX_WARNINGS, MAX_WORD_BYTES,
    OverBound,
};
pub(crate) use bounds::{check_message, cut_message};
pub use lifecycle::lifecycle_table;
pub use outcome::{Failure, FailureCode, InstanceReport, Outcome};
pub use payload::{
    CleanupPayload, DeletePayload, DeployPayload, LifecyclePayload, PayloadProblem, PrefetchPayload, UpdatePayload,
    UpdateSpec,
};
pub use priority::{AGEING_STEP, OrderKey, Priority, PriorityOutOfRange};
pub use retry::{BACKOFF_BASE, BACKOFF_CAP, backoff};
pub use seconds::Seconds;
pub use spec::{
    IdempotencyKey, InvalidTask, Lane, MAX_DEPENDENCIES, MAX_PAYLOAD_BYTES, MAX_RETRIES, MAX_TIMEOUT, NewTask, Placed,
    TaskType,
};
pub use state::{
    CancelReason, CancelRequest, InvalidTransition, Lease, Progress, TaskEvent, TaskState, TaskStatus, TransitionFault,
};
pub use submit::SubmitTask;
pub use wire::TaskView;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{AgentId, Attempt, ClaimId, TaskId};

/// A task: what was asked for, and its current state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What was asked for; it never changes, so that those who know the task share it.
    pub spec: Arc<NewTask>,
    /// When it entered the queue.
    pub created_at: Timestamp,
    /// Since when it may run, as far as time goes: creation, the end of a backoff, or an operator's retry.
    /// With the priority it fixes the order of claims.
    pub ready_at: Timestamp,
    /// The number of its latest claim. Grows at each claim and never otherwise.
    pub attempt: Attempt,
    /// How many of its retries are used up. Counted apart from `attempt`: a hand-back costs none.
    pub retry_count: u32,
    /// The claim request that the latest claim answered.
    pub claim_id: Option<ClaimId>,
    /// How far it is.
    pub state: TaskState,
    /// What of it could not be read back, and why; none of a sound task. It is kept as it was written, and what it shows
    /// instead is what stands beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl Task {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.spec.id
    }

    /// The host whose agent runs it.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.spec.agent
    }

    /// Its status, as the wire names it.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        self.state.status()
    }

    /// Its place among the claimable tasks of its agent; the smallest key goes first.
    #[must_use]
    pub fn order(&self) -> OrderKey {
        OrderKey::new(self.ready_at, self.spec.priority, self.spec.id)
    }

    /// Whether one more automatic attempt is allowed.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.retry_count < self.spec.max_retries
    }
}
