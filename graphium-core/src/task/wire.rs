//! A task as the wire shows it: flat, camel-case JSON with the names that users know.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CancelReason, Failure, IdempotencyKey, Outcome, Priority, Progress, Task, TaskState, TaskStatus, TaskType,
};
use crate::clock::Timestamp;
use crate::id::{AgentId, Attempt, ContainerName, Generation, Slot, StackName, TaskId};

/// A task as JSON. Made from a [`Task`]; it is a view, never stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// The task's id.
    #[serde(rename = "@id")]
    pub id: TaskId,
    /// Always `AgentTask`.
    #[serde(rename = "@type")]
    pub ld_type: String,
    /// The kind of work.
    pub task_type: TaskType,
    /// How far it is.
    pub status: TaskStatus,
    /// The agent that does it.
    pub agent_id: AgentId,
    /// The host it is done on; one agent id is one host.
    pub host_id: AgentId,
    /// The stack it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackName>,
    /// The container spec it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<ContainerName>,
    /// The replica it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// The deployment it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Its urgency.
    pub priority: Priority,
    /// What the executor needs to know.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub payload: Value,
    /// When it entered the queue.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub date_created: Timestamp,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When the current attempt was given to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub assigned_at: Option<Timestamp>,
    /// When the agent began the current attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub completed_at: Option<Timestamp>,
    /// Why it failed, or why the attempt before this wait did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What it brought about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
    /// What was undone when a cancel reached it during its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
    /// How many retries are used up.
    pub retry_count: u32,
    /// How many there may be.
    pub max_retries: u32,
    /// The deadline of an attempt, in seconds.
    pub timeout_seconds: u64,
    /// Tasks that must be completed first.
    pub depends_on: Vec<TaskId>,
    /// The number of its latest claim; 0 before the first.
    pub attempt: Attempt,
    /// When the current attempt must be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub deadline_at: Option<Timestamp>,
    /// When the lease of the agent's session ends unless it is renewed; filled in by whoever knows the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub lease_expires_at: Option<Timestamp>,
    /// Not to be claimed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub not_before: Option<Timestamp>,
    /// When a cancel was requested that the agent has not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub cancel_requested_at: Option<Timestamp>,
    /// The caller's own name for the submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// How far the current attempt is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What of it could not be read back, and why: what is shown instead is what else is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        let Task { spec, state, .. } = task;
        let spec = Arc::unwrap_or_clone(spec);
        let placed = spec.placed;
        let lease = state.lease().cloned();
        let mut view = Self {
            id: spec.id,
            ld_type: "AgentTask".into(),
            task_type: spec.task_type,
            status: state.status(),
            host_id: spec.agent.clone(),
            agent_id: spec.agent,
            slot: placed.as_ref().map(|placed| placed.slot),
            generation: placed.as_ref().map(|placed| placed.generation),
            container_id: placed.as_ref().and_then(|placed| placed.container.clone()),
            stack_id: placed.map(|placed| placed.stack),
            priority: spec.priority,
            payload: spec.payload,
            date_created: task.created_at,
            created_by: spec.created_by,
            assigned_at: lease.as_ref().map(|lease| lease.assigned_at),
            started_at: None,
            completed_at: state.settled_at(),
            error: None,
            result: None,
            cancel_reason: None,
            undone: None,
            retry_count: task.retry_count,
            max_retries: spec.max_retries,
            timeout_seconds: spec.timeout.as_secs(),
            depends_on: spec.depends_on,
            attempt: task.attempt,
            deadline_at: lease.as_ref().map(|lease| lease.deadline),
            lease_expires_at: None,
            not_before: None,
            cancel_requested_at: lease.and_then(|lease| lease.cancel).map(|cancel| cancel.at),
            idempotency_key: spec.idempotency_key,
            progress: None,
            unreadable: task.unreadable,
        };
        match state {
            TaskState::Pending { not_before, last_failure } => {
                view.not_before = not_before;
                view.error = last_failure;
            }
            TaskState::Assigned { .. } => {}
            TaskState::Running { started_at, progress, .. } => {
                view.started_at = Some(started_at);
                view.progress = progress;
            }
            TaskState::Completed { outcome, .. } => view.result = Some(outcome),
            TaskState::Failed { failure, .. } => view.error = Some(failure),
            TaskState::Cancelled { reason, undone, .. } => {
                view.cancel_reason = Some(reason);
                view.undone = undone;
            }
        }
        view
    }
}
