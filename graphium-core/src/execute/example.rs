//! A task for tests.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{AgentId, Attempt};
use crate::task::{NewTask, Task, TaskState, TaskType};

/// A waiting task of this type.
pub(super) fn task_of(task_type: TaskType, payload: Value) -> Task {
    Task {
        spec: NewTask::new(AgentId::new("vm1").unwrap(), task_type).with_payload(payload).into(),
        created_at: Timestamp::EPOCH,
        ready_at: Timestamp::EPOCH,
        attempt: Attempt::default(),
        retry_count: 0,
        claim_id: None,
        state: TaskState::Pending { not_before: None, last_failure: None },
        unreadable: None,
    }
}
