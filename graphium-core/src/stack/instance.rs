//! What a host reports: instances, engine and capacity. Only ever observed, never assumed.

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, Protocol, RestartPolicy};
use crate::id::{ContainerName, Generation, Slot, StackName, TaskId};

/// One container on a host that carries this installation's and host's labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The engine's id.
    pub runtime_id: String,
    /// Its name on the engine.
    pub name: String,
    /// The stack it belongs to; none for a container deployed by a bare task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
    /// The container spec it is an instance of.
    pub container: ContainerName,
    /// The replica.
    pub slot: Slot,
    /// The deployment that made it. For people: instances are matched by `spec_hash`.
    pub generation: Generation,
    /// The hash of the spec it was made from.
    pub spec_hash: String,
    /// The task that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The image as it was asked for.
    pub image: String,
    /// The id or digest of the image that it runs.
    pub image_digest: String,
    /// What it does.
    #[serde(flatten)]
    pub state: InstanceState,
    /// What its health check says.
    pub health: Health,
    /// How often the engine restarted it.
    pub restart_count: u32,
    /// Ports as they are published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PublishedPort>,
}

impl Instance {
    /// Whether it is running and not known to be unhealthy or still starting.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.state == InstanceState::Running && matches!(self.health, Health::None | Health::Healthy)
    }
}

impl Instance {
    /// Whether it is a one-shot that has done its work: it ended with 0 and is not to be started again.
    #[must_use]
    pub fn is_finished(&self, spec: &ContainerSpec) -> bool {
        let runs_once = matches!(spec.restart_policy, RestartPolicy::No | RestartPolicy::OnFailure { .. });
        runs_once && self.state == InstanceState::Exited { exit_code: 0 }
    }
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum InstanceState {
    /// Made and never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Ended, and about to be started again by the engine.
    Restarting,
    /// Ended.
    Exited {
        /// Its exit code.
        exit_code: i64,
    },
    /// Being removed.
    Removing,
    /// Broken beyond restart.
    Dead,
}

impl std::fmt::Display for InstanceState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created => f.pad("created"),
            Self::Running => f.pad("running"),
            Self::Paused => f.pad("paused"),
            Self::Restarting => f.pad("restarting"),
            Self::Exited { exit_code } => f.pad(&format!("exited ({exit_code})")),
            Self::Removing => f.pad("removing"),
            Self::Dead => f.pad("dead"),
        }
    }
}

/// What a health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// There is none.
    None,
    /// Not enough tries yet.
    Starting,
    /// It works.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// A port as the engine published it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PublishedPort {
    /// The port inside.
    pub container_port: u16,
    /// The port on the host.
    pub host_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The address on the host.
    pub host_ip: String,
}

/// The engine of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// `docker`, `podman`, `memory` …
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of its API that is spoken.
    pub api_version: String,
    /// `linux` …
    pub os: String,
    /// `x86_64` …
    pub architecture: String,
    /// What the engine's machine has.
    pub capacity: Capacity,
}

/// What a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
}

/// Whether a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Its agent's session lives.
    Ready,
    /// The session ended a short while ago; its instances may or may not run.
    Unknown,
    /// Silent for long.
    Down,
}

impl std::fmt::Display for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ready => "ready",
            Self::Unknown => "unknown",
            Self::Down => "down",
        })
    }
}
