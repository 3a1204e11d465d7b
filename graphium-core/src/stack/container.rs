//! One container of a stack, as wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, ContainerName};
use crate::openapi::text_schema;

/// The most replicas that one container spec may ask for.
pub const MAX_REPLICAS: u32 = 1000;

/// One entry of a stack.
///
/// Values keep the text as it was written; durations are in whole seconds, memory in bytes, CPU in
/// thousandths of a core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerSpec {
    /// Its name within the stack, and its alias on the stack's network.
    pub name: ContainerName,
    /// The image, by tag or digest.
    pub image: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its exact name on the engine, instead of one that Graphium makes. Only with one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Replaces the image's entrypoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Follows the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Ports that the host publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortSpec>,
    /// Volumes, host folders and memory file systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountSpec>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The folder in which the command starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The user who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When the engine starts it again by itself.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// When the image is pulled.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// What must be there before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// How to see that it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// How much of the host it may use and is promised.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// What its host must have.
    #[serde(default, skip_serializing_if = "ResourceRequirements::is_empty")]
    pub requirements: ResourceRequirements,
    /// How many instances.
    #[serde(default = "one")]
    pub replicas: u32,
    /// The host it must be on; overrides the stack's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<AgentId>,
    /// Seconds that it gets to end by itself when it is stopped.
    #[serde(default = "ten")]
    pub stop_timeout: u32,
    /// Without a health check: seconds that it must run without a restart to count as good.
    #[serde(default = "two")]
    pub min_uptime_seconds: u32,
}

const fn one() -> u32 {
    1
}

const fn two() -> u32 {
    2
}

const fn ten() -> u32 {
    10
}

impl ContainerSpec {
    /// A container of this image with every default.
    #[must_use]
    pub fn new(name: ContainerName, image: impl Into<String>) -> Self {
        Self {
            name,
            image: image.into(),
            description: None,
            container_name: None,
            entrypoint: Vec::new(),
            command: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            labels: BTreeMap::new(),
            working_dir: None,
            user: None,
            restart_policy: RestartPolicy::No,
            pull_policy: PullPolicy::IfNotPresent,
            depends_on: Vec::new(),
            health_check: None,
            resources: Resources::default(),
            requirements: ResourceRequirements::default(),
            replicas: one(),
            host: None,
            stop_timeout: ten(),
            min_uptime_seconds: two(),
        }
    }
}

/// A port of the container that the host publishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpec {
    /// The port inside.
    pub container_port: u16,
    /// The port on the host; the engine chooses one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// The address on the host: `0.0.0.0` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub host_ip: Option<std::net::IpAddr>,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A file system in the container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountSpec {
    /// What is mounted.
    pub source: MountSource,
    /// Where, in the container: an absolute path.
    pub target: String,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub enum MountSource {
    /// A volume of the stack, kept until it is removed by name.
    Volume {
        /// Its name within the stack.
        name: String,
        /// The volume driver; the engine's default when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        driver: Option<String>,
        /// Made by somebody else: used by its verbatim name, never created or removed.
        #[serde(default)]
        external: bool,
    },
    /// A folder or file of the host.
    Bind {
        /// Its absolute path on the host.
        path: String,
    },
    /// A file system in memory.
    Tmpfs,
}

/// When the engine starts a container again by itself.
///
/// On the wire it is text: `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When it ended with an error.
    OnFailure {
        /// At most so often; 3 when nothing is said.
        max_retries: u32,
    },
    /// Whenever it ended.
    Always,
    /// Whenever it ended, unless somebody stopped it.
    UnlessStopped,
}

text_schema!(RestartPolicy);

const DEFAULT_ON_FAILURE_RETRIES: u32 = 3;

const fn three() -> u32 {
    3
}

/// A text that is no restart policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("restart policy {0:?} is not one of no, always, unless-stopped, on-failure, on-failure:N")]
pub struct UnknownRestartPolicy(String);

impl std::str::FromStr for RestartPolicy {
    type Err = UnknownRestartPolicy;
    fn from_str(text: &str) -> Result<Self, UnknownRestartPolicy> {
        match text {
            "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure { max_retries: DEFAULT_ON_FAILURE_RETRIES }),
            other => other
                .strip_prefix("on-failure:")
                .and_then(|number| number.parse().ok())
                .map(|max_retries| Self::OnFailure { max_retries })
                .ok_or_else(|| UnknownRestartPolicy(other.to_owned())),
        }
    }
}

impl TryFrom<String> for RestartPolicy {
    type Error = UnknownRestartPolicy;
    fn try_from(text: String) -> Result<Self, UnknownRestartPolicy> {
        text.parse()
    }
}

impl From<RestartPolicy> for String {
    fn from(policy: RestartPolicy) -> Self {
        match policy {
            RestartPolicy::No => "no".into(),
            RestartPolicy::Always => "always".into(),
            RestartPolicy::UnlessStopped => "unless-stopped".into(),
            RestartPolicy::OnFailure { max_retries } => format!("on-failure:{max_retries}"),
        }
    }
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PullPolicy {
    /// Before each deploy.
    Always,
    /// When the host does not have it.
    #[default]
    IfNotPresent,
    /// Never: the host must have it.
    Never,
}

/// Another container that must be there first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// Its name.
    pub container: ContainerName,
    /// How far it must be; healthy if it has a check, else started, when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<DependencyCondition>,
}

/// How far a dependency must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    /// It runs.
    Started,
    /// Its health check says so.
    Healthy,
    /// It ended with 0.
    Completed,
}

/// How to see that a container works. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// What is tried.
    pub probe: HealthProbe,
    /// Between two tries.
    #[serde(default = "thirty")]
    pub interval: u32,
    /// For one try.
    #[serde(default = "thirty")]
    pub timeout: u32,
    /// Failed tries in a row that make it unhealthy.
    #[serde(default = "three")]
    pub retries: u32,
    /// After the start, in which failed tries do not count.
    #[serde(default)]
    pub start_period: u32,
}

const fn thirty() -> u32 {
    30
}

/// What a health check tries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum HealthProbe {
    /// A command in the container that ends with 0.
    Exec {
        /// The command as the engine takes it: `["CMD", …]` or `["CMD-SHELL", "…"]`.
        command: Vec<String>,
    },
    /// A GET that answers with a status below 400.
    Http {
        /// The container's port.
        port: u16,
        /// The path.
        path: String,
    },
    /// A connection that is accepted.
    Tcp {
        /// The container's port.
        port: u16,
    },
    /// The gRPC health protocol.
    Grpc {
        /// The container's port.
        port: u16,
        /// The service that is asked for.
        #[serde(default)]
        service: String,
    },
}

/// How much of its host a container may use and is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// The most it may use.
    #[serde(default, skip_serializing_if = "ResourceLimits::is_empty")]
    pub limits: ResourceLimits,
    /// What placement keeps free for it.
    #[serde(default, skip_serializing_if = "ResourceLimits::is_empty")]
    pub reservations: ResourceLimits,
}

impl Resources {
    /// Whether nothing is said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.reservations.is_empty()
    }
}

/// An amount of CPU and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceLimits {
    /// Thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

impl ResourceLimits {
    /// Whether nothing is said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cpu_millis.is_none() && self.memory_bytes.is_none()
    }
}

/// What the host of a container must have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceRequirements {
    /// At least so much.
    #[serde(default, skip_serializing_if = "ResourceLimits::is_empty")]
    pub minimum: ResourceLimits,
    /// Labels of the host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub required_labels: BTreeMap<String, String>,
    /// Preferred, not required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_datacenter: Option<String>,
}

impl ResourceRequirements {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.minimum.is_empty() && self.required_labels.is_empty() && self.preferred_datacenter.is_none()
    }
}
