//! From the task that the wire shows back to the one that an agent works with.

use std::time::Duration;

use graphium_core::clock::Timestamp;
use graphium_core::id::{ClaimId, SessionId};
use graphium_core::task::{
    CancelReason, CancelRequest, Lane, Lease, NewTask, Placed, Task, TaskState, TaskStatus, TaskView,
};

use super::InvalidBody;

/// What a [`TaskView`] leaves out and the holder of a lease needs.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseFacts {
    /// The session that holds it.
    pub session: SessionId,
    /// The request that it was given to.
    pub claim_id: ClaimId,
    /// Its serial key.
    pub lane: Option<Lane>,
    /// Since when it may run.
    pub ready_at: Timestamp,
    /// The deadline of an attempt, exactly.
    pub timeout: Duration,
    /// Why it is to be cancelled, if it is.
    pub cancel_reason: Option<CancelReason>,
}

/// The task that an agent works with. Only a task that is held (assigned or running) has one.
///
/// # Errors
/// [`InvalidBody`] for a view that lacks what its status promises.
pub fn task_of(view: TaskView, facts: LeaseFacts) -> Result<Task, InvalidBody> {
    let missing = |field| InvalidBody::new(field, "a task that is held has one");
    let lease = Lease {
        session: facts.session,
        attempt: view.attempt,
        assigned_at: view.assigned_at.ok_or_else(|| missing("assignedAt"))?,
        deadline: view.deadline_at.ok_or_else(|| missing("deadlineAt"))?,
        cancel: view.cancel_requested_at.zip(facts.cancel_reason).map(|(at, reason)| CancelRequest { at, reason }),
    };
    let state = match view.status {
        TaskStatus::Assigned => TaskState::Assigned { lease },
        TaskStatus::Running => {
            let started_at = view.started_at.ok_or_else(|| missing("startedAt"))?;
            TaskState::Running { lease, started_at, progress: view.progress }
        }
        TaskStatus::Pending | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {
            return Err(InvalidBody::new("status", format!("a {} task is held by nobody", view.status)));
        }
    };
    let (generation, container, slot) = (view.generation.unwrap_or_default(), view.container_id, view.slot);
    let placed = |stack| Placed { stack, generation, container, slot: slot.unwrap_or_default() };
    let spec = NewTask {
        id: view.id,
        task_type: view.task_type,
        agent: view.agent_id,
        placed: view.stack_id.map(placed),
        lane: facts.lane,
        priority: view.priority,
        payload: view.payload,
        max_retries: view.max_retries,
        timeout: facts.timeout,
        depends_on: view.depends_on,
        idempotency_key: view.idempotency_key,
        created_by: view.created_by,
    };
    Ok(Task {
        spec: spec.into(),
        created_at: view.date_created,
        ready_at: facts.ready_at,
        attempt: view.attempt,
        retry_count: view.retry_count,
        claim_id: Some(facts.claim_id),
        state,
        unreadable: view.unreadable,
    })
}
