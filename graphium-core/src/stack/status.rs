//! The status of a stack, one word for a person.

use serde::{Deserialize, Serialize};

/// How a stack is, from its latest deployment and from what its hosts report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StackStatus {
    /// Accepted, nothing has begun.
    Pending,
    /// A deployment is under way.
    Deploying,
    /// Every declared instance is observed good on a host that answers.
    Running,
    /// Deployed, but something is missing, unhealthy, or on a host that does not answer.
    Degraded,
    /// A stop is under way.
    Stopping,
    /// Every instance is observed stopped.
    Stopped,
    /// On the way back to an earlier generation.
    Reverting,
    /// A delete is under way; some host has not confirmed yet.
    Deleting,
    /// The latest deployment failed.
    Error,
}

impl StackStatus {
    /// The status as the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Reverting => "reverting",
            Self::Deleting => "deleting",
            Self::Error => "error",
        }
    }
}

impl std::fmt::Display for StackStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
