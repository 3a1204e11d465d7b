//! How a task ended: data that is kept, shown and decided on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ContainerName, Slot};

/// Why a task failed, as a stable code that programs may match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureCode {
    /// The image is neither on the host nor in its registry.
    ImageNotFound,
    /// The registry refused the credentials, or wants some.
    RegistryAuth,
    /// The registry refused for now: too many requests.
    RateLimited,
    /// The registry could not be reached.
    RegistryUnreachable,
    /// A host port is held by somebody else; the message names the holder.
    PortConflict,
    /// An object of somebody else has the wanted name.
    NameConflict,
    /// The container runs but its health check says no, or it kept restarting.
    Unhealthy,
    /// The container ended by itself.
    Exited,
    /// The deadline of the attempt passed.
    Timeout,
    /// The agent's lease ended without a report.
    Lost,
    /// The container engine did not answer.
    EngineUnavailable,
    /// The engine refused the definition.
    InvalidSpec,
    /// The payload does not fit the task type.
    InvalidPayload,
    /// What the task should act on is not there.
    NotFound,
    /// The runtime or the agent cannot do what is asked.
    Unsupported,
    /// A volume, network or disk has no room, or another limit of the host is reached.
    ResourceExhausted,
    /// The host's own policy forbids it.
    Forbidden,
    /// What is kept of the task cannot be read back: damage, or another version of Graphium wrote it.
    Unreadable,
    /// A fault in Graphium or an executor.
    Internal,
}

impl FailureCode {
    /// Whether trying again may help when nothing else is known.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited
            | Self::RegistryUnreachable
            | Self::Timeout
            | Self::Lost
            | Self::EngineUnavailable
            | Self::Internal => true,
            Self::ImageNotFound
            | Self::RegistryAuth
            | Self::PortConflict
            | Self::NameConflict
            | Self::Unhealthy
            | Self::Exited
            | Self::InvalidSpec
            | Self::InvalidPayload
            | Self::NotFound
            | Self::Unsupported
            | Self::ResourceExhausted
            | Self::Forbidden
            | Self::Unreadable => false,
        }
    }

    /// The code as the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "image_not_found",
            Self::RegistryAuth => "registry_auth",
            Self::RateLimited => "rate_limited",
            Self::RegistryUnreachable => "registry_unreachable",
            Self::PortConflict => "port_conflict",
            Self::NameConflict => "name_conflict",
            Self::Unhealthy => "unhealthy",
            Self::Exited => "exited",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::EngineUnavailable => "engine_unavailable",
            Self::InvalidSpec => "invalid_spec",
            Self::InvalidPayload => "invalid_payload",
            Self::NotFound => "not_found",
            Self::Unsupported => "unsupported",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Forbidden => "forbidden",
            Self::Unreadable => "unreadable",
            Self::Internal => "internal",
        }
    }
}

/// A failure as it is recorded: stable, serialisable, and clear about what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its class.
    pub code: FailureCode,
    /// Whether a further attempt may help.
    pub retryable: bool,
    /// What happened to which object, and what to do next.
    pub message: String,
    /// The step in which it happened: `pull`, `create`, `start`, `health` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl Failure {
    /// A failure of this class, retryable as the class is.
    #[must_use]
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, retryable: code.is_retryable(), message: message.into(), step: None }
    }

    /// The same failure, in this step.
    #[must_use]
    pub fn in_step(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// The same failure, never to be tried again by itself.
    #[must_use]
    pub fn finally(mut self) -> Self {
        self.retryable = false;
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

/// What a task found at its end about one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InstanceReport {
    /// The container spec.
    pub container: ContainerName,
    /// The replica.
    #[serde(default)]
    pub slot: Slot,
    /// The engine's id of it.
    pub runtime_id: String,
    /// Its name on the engine.
    pub name: String,
    /// The digest or id of the image it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// The hash of the spec it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// What was done: `created`, `replaced`, `started`, `adopted`, `unchanged`, `removed` …
    pub action: String,
}

/// The result of a task that was completed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What became of each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceReport>,
    /// What went wrong without mattering to the result, such as a clean-up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whatever a custom executor wants to say; null when nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_reads_the_same_in_rust_and_on_the_wire() {
        for code in [FailureCode::ImageNotFound, FailureCode::PortConflict, FailureCode::Lost, FailureCode::Internal] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_wrong_image_name_is_not_tried_again_and_a_refused_connection_is() {
        assert!(!Failure::new(FailureCode::ImageNotFound, "no such image").retryable);
        assert!(Failure::new(FailureCode::RegistryUnreachable, "connection refused").retryable);
    }
}
