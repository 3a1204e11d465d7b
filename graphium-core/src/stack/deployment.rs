//! The records of a stack: the stack itself, and each attempt to bring it somewhere.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::StackSpec;
use crate::clock::Timestamp;
use crate::id::{AgentId, ContainerName, Generation, Slot, StackName, TaskId};

/// A stack as the store remembers it. Record kind `stack`, named by the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Stack {
    /// What is wanted.
    pub spec: StackSpec,
    /// The latest deployment.
    pub generation: Generation,
    /// What the latest deployment does.
    pub action: DeploymentAction,
    /// The latest generation that was observed good everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Generation>,
    /// Every host that may hold something of it. A delete asks them all.
    pub hosts: BTreeSet<AgentId>,
    /// When it was first applied.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// One attempt to bring a stack to a generation. Record kind `deployment`, named `{stack}/{generation}`.
///
/// It is the whole memory of a rollout: any server can carry on from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The stack.
    pub stack: StackName,
    /// Its number within the stack.
    pub generation: Generation,
    /// What it does.
    pub action: DeploymentAction,
    /// The definition it works to.
    pub spec: StackSpec,
    /// The generation that the definition was copied from, for a revert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_from: Option<Generation>,
    /// The whole plan. A step's place is its number.
    pub steps: Vec<Step>,
    /// How far it is.
    #[serde(flatten)]
    pub status: DeploymentStatus,
    /// What is worth knowing and harmless.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it was accepted.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub finished_at: Option<Timestamp>,
}

/// What a deployment does with the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeploymentAction {
    /// Brings it to its definition.
    Deploy,
    /// Stops every instance.
    Stop,
    /// Starts every instance.
    Start,
    /// Restarts every instance.
    Restart,
    /// Removes it from every host, then forgets it.
    Delete,
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Steps are under way or waiting.
    Running,
    /// Every step is done and was observed.
    Completed,
    /// A step failed for good.
    Failed {
        /// What, where and why.
        reason: String,
    },
    /// A newer deployment of the stack took over.
    Superseded,
    /// Somebody ended it.
    Cancelled,
}

impl DeploymentStatus {
    /// Whether it is over.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// One idempotent action on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What is done.
    pub action: StepAction,
    /// The host.
    pub agent: AgentId,
    /// The container spec; none for an action on the whole stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The replica.
    #[serde(default)]
    pub slot: Slot,
    /// Why it is needed.
    pub reason: String,
    /// Steps that must be done first, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// The task that does it, once it is submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepAction {
    /// Brings images to the host.
    Prefetch,
    /// Makes an instance that is missing, or starts one that does not run.
    Create,
    /// Puts an instance of the new spec in the place of the old one.
    Replace,
    /// Changes an instance in place: its limits, its restart policy.
    Update,
    /// Nothing: the instance is as wanted. Stands in the plan, gets no task.
    Keep,
    /// Removes an instance that is no longer wanted.
    Remove,
    /// Stops an instance.
    Stop,
    /// Starts an instance.
    Start,
    /// Restarts an instance.
    Restart,
    /// Removes what the stack left on the host: instances, networks.
    Cleanup,
    /// As `cleanup`, and the stack's named volumes too.
    CleanupWithVolumes,
}

impl StepAction {
    /// The action as the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefetch => "prefetch",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Keep => "keep",
            Self::Remove => "remove",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Cleanup => "cleanup",
            Self::CleanupWithVolumes => "cleanup_with_volumes",
        }
    }
}
