//! What commands have changed and a store must keep.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, Gone};
use crate::event::{Event, NewEvent};
use crate::id::{AgentId, Attempt, Seq, SessionId, StackName, TaskId};
use crate::store::RecordKey;
use crate::task::{IdempotencyKey, TaskStatus, TaskType};

/// Names of what changed, once each however often it did, and the events in order. The values are read from the engine
/// when they are written.
#[derive(Debug, Default, PartialEq)]
pub(in crate::store) struct Changes {
    /// Tasks that are new.
    pub(in crate::store) created: BTreeSet<TaskId>,
    /// Tasks that were there and changed.
    pub(in crate::store) changed: BTreeSet<TaskId>,
    /// Those of them that settled, left a settled state, or wait for another instant than before.
    pub(in crate::store) moved: BTreeSet<TaskId>,
    /// Those of them that failed because they cannot be read back, and why: what is kept of them must outlive that.
    pub(in crate::store) condemned: BTreeMap<TaskId, String>,
    pub(in crate::store) attempts: BTreeSet<(TaskId, Attempt)>,
    /// A task and one that depends on it.
    pub(in crate::store) edges: BTreeSet<(TaskId, TaskId)>,
    pub(in crate::store) keys: BTreeMap<IdempotencyKey, TaskId>,
    /// Records that were written or deleted.
    pub(in crate::store) records: BTreeSet<RecordKey>,
    /// Hosts whose session changed.
    pub(in crate::store) hosts: BTreeSet<AgentId>,
    /// Hosts on which an attempt ended.
    pub(in crate::store) attempts_ended: BTreeSet<AgentId>,
    /// Hosts whose engine or instances changed.
    pub(in crate::store) inventories: BTreeSet<AgentId>,
    /// Sessions that ended, and ended ones that were forgotten.
    pub(in crate::store) ended: BTreeSet<(AgentId, SessionId)>,
    /// Stacks whose newest generation changed or was forgotten.
    pub(in crate::store) generations: BTreeSet<StackName>,
    pub(in crate::store) statuses: BTreeSet<TaskStatus>,
    pub(in crate::store) types: BTreeSet<TaskType>,
    pub(in crate::store) events: Vec<Event>,
    /// Whether another life of the store began, or a restore was confirmed.
    pub(in crate::store) epoch: bool,
    /// What was pruned.
    pub(in crate::store) gone: Gone,
}

impl Engine {
    /// Appends an event to the log.
    pub(super) fn log(&mut self, event: NewEvent) {
        self.head = Seq(self.head.0 + 1);
        self.changes.events.push(Event {
            seq: self.head,
            kind: event.kind,
            timestamp: self.now,
            task_id: event.task,
            stack_id: event.stack,
            agent_id: event.agent,
            actor: event.actor,
            data: event.data,
        });
    }
}
