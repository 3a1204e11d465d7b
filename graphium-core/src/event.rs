//! The event log: audit, live stream and task history are views of this one record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{AgentId, Seq, StackName, TaskId};

/// What happened. The wire name is the snake-case of the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventType {
    /// A task entered the queue.
    TaskCreated,
    /// A task changed its status.
    TaskUpdated,
    /// A running task reported how far it is.
    TaskProgress,
    /// A deployment of a stack began.
    StackDeploying,
    /// A deployment reached its generation, observed on every host.
    StackDeployed,
    /// A deployment, stop, start, restart or delete of a stack failed.
    StackError,
    /// A stack went back to an earlier generation.
    StackReverted,
    /// The delete of a stack began.
    StackDeleting,
    /// Every host has confirmed that nothing of the stack is left.
    StackDeleted,
    /// A host reported an instance for the first time.
    ContainerAdded,
    /// A host reported a change of an instance.
    ContainerUpdated,
    /// A host no longer has an instance.
    ContainerRemoved,
    /// A host was seen for the first time.
    HostAdded,
    /// A host changed: ready, unknown, down, cordoned, its engine.
    HostUpdated,
    /// A host was removed by an operator.
    HostRemoved,
    /// The store was restored from a backup. Numbers of events jump here, and nowhere else.
    StoreRestored,
    /// Somebody has confirmed a restore.
    StoreConfirmed,
    /// An entry of the log that cannot be read back: damage, or another version of Graphium wrote it. Its data say what is
    /// known of it.
    Unreadable,
}

impl EventType {
    /// The type as the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskCreated => "task_created",
            Self::TaskUpdated => "task_updated",
            Self::TaskProgress => "task_progress",
            Self::StackDeploying => "stack_deploying",
            Self::StackDeployed => "stack_deployed",
            Self::StackError => "stack_error",
            Self::StackReverted => "stack_reverted",
            Self::StackDeleting => "stack_deleting",
            Self::StackDeleted => "stack_deleted",
            Self::ContainerAdded => "container_added",
            Self::ContainerUpdated => "container_updated",
            Self::ContainerRemoved => "container_removed",
            Self::HostAdded => "host_added",
            Self::HostUpdated => "host_updated",
            Self::HostRemoved => "host_removed",
            Self::StoreRestored => "store_restored",
            Self::StoreConfirmed => "store_confirmed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// An event about to be written: everything but its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventType,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The stack it is about.
    pub stack: Option<StackName>,
    /// The host it is about.
    pub agent: Option<AgentId>,
    /// Who caused it: a user, `agent:{id}`, or `server`.
    pub actor: String,
    /// Details, by type.
    pub data: Value,
}

/// One entry of the log, and one frame of the live stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place: dense and gapless, so a reader knows that it has seen everything.
    pub seq: Seq,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When, by the store's clock.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub timestamp: Timestamp,
    /// The task it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// The stack it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackName>,
    /// The host it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Who caused it: a user, `agent:{id}`, or `server`.
    pub actor: String,
    /// Details, by type.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: Value,
}
