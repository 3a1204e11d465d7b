//! The primitives of a container engine. A runtime does what it is told, once, and says what it saw.

use std::collections::BTreeMap;
use std::net::IpAddr;

use async_trait::async_trait;

use super::{DeployError, StepContext};
use crate::stack::{
    EngineInfo, Health, HealthCheck, InstanceState, PortSpec, PublishedPort, ResourceLimits, RestartPolicy,
};

/// A container engine.
///
/// # Implementing
/// Each method is one call to the engine, or close to it. Names and labels are the caller's business. Creating
/// answers with [`NameConflict`](super::DeployErrorKind::NameConflict) when the name is taken; starting with
/// [`PortConflict`](super::DeployErrorKind::PortConflict) when a host port is. Removing and stopping what is not there is
/// success. Prove a runtime with the `conformance` module.
///
/// # Cancel safety
/// A dropped call has happened or has not.
///
/// # Errors
/// [`DeployError`]; [`Unavailable`](super::DeployErrorKind::Unavailable) whenever the engine cannot be reached.
#[async_trait]
pub trait Runtime: std::fmt::Debug + Send + Sync {
    /// What engine this is.
    async fn engine(&self) -> Result<EngineInfo, DeployError>;

    /// The image on the host by reference, if it is there.
    async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, DeployError>;

    /// Pulls an image from its registry, telling the context's listener how far it is.
    async fn pull(&self, reference: &str, context: &StepContext) -> Result<(), DeployError>;

    /// Makes a container without starting it and answers with its id.
    async fn create(&self, config: &ContainerConfig) -> Result<String, DeployError>;

    /// Starts a container; success when it already runs.
    async fn start(&self, id: &str) -> Result<(), DeployError>;

    /// Stops a container within `timeout` seconds, then kills it; success when it does not run or is not there.
    async fn stop(&self, id: &str, timeout: Option<u32>) -> Result<(), DeployError>;

    /// Removes a container, killing it first with `force`; success when it is not there.
    async fn remove(&self, id: &str, force: bool, volumes: bool) -> Result<(), DeployError>;

    /// Changes restart policy and limits of a container in place.
    async fn update(
        &self,
        id: &str,
        restart: Option<RestartPolicy>,
        limits: Option<ResourceLimits>,
    ) -> Result<(), DeployError>;

    /// Gives a container another name; [`NameConflict`](super::DeployErrorKind::NameConflict) when it is taken.
    async fn rename(&self, id: &str, name: &str) -> Result<(), DeployError>;

    /// One container by id or name, in full, if it is there.
    async fn inspect(&self, id_or_name: &str) -> Result<Option<Inspection>, DeployError>;

    /// Containers, running or not, that pass the filter.
    async fn list(&self, filter: &ContainerFilter) -> Result<Vec<RuntimeContainer>, DeployError>;

    /// The last `lines` lines that a container wrote, oldest first.
    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<LogLine>, DeployError>;

    /// Makes a network and answers with its id. A subnet that overlaps another network is an
    /// [`AddressConflict`](super::DeployErrorKind::AddressConflict).
    async fn create_network(&self, config: &NetworkConfig) -> Result<String, DeployError>;

    /// Networks with all of these labels; all networks when empty.
    async fn networks(&self, labels: &BTreeMap<String, String>) -> Result<Vec<NetworkInfo>, DeployError>;

    /// Removes a network; success when it is not there.
    async fn remove_network(&self, id: &str) -> Result<(), DeployError>;

    /// Makes a volume, or leaves one of this name as it is. Answers with what is there now: the labels tell whose it is.
    async fn create_volume(
        &self,
        name: &str,
        driver: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<VolumeInfo, DeployError>;

    /// Volumes with all of these labels; all volumes when empty.
    async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeInfo>, DeployError>;

    /// Removes a volume; success when it is not there.
    async fn remove_volume(&self, name: &str) -> Result<(), DeployError>;

    /// Answers when a container with these labels may have changed since the last answer: a hint.
    async fn changed(&self, labels: &BTreeMap<String, String>);
}

/// An image on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// The engine's id of it: the digest of its configuration.
    pub id: String,
    /// Its digests in registries.
    pub digests: Vec<String>,
}

/// A container to be made, in the engine's terms: every name is verbatim.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerConfig {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// Replaces the image's entrypoint, unless empty.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command, unless empty.
    pub command: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The folder in which the command starts.
    pub working_dir: Option<String>,
    /// The user who runs it.
    pub user: Option<String>,
    /// Ports that the host publishes.
    pub ports: Vec<PortSpec>,
    /// Mounts.
    pub mounts: Vec<RuntimeMount>,
    /// When the engine starts it again.
    pub restart_policy: RestartPolicy,
    /// The most it may use.
    pub limits: ResourceLimits,
    /// What placement keeps free for it.
    pub reservations: ResourceLimits,
    /// An `exec` check that the engine runs itself.
    pub health_check: Option<HealthCheck>,
    /// Seconds that it gets to end by itself.
    pub stop_timeout: u32,
    /// The network; the engine's default when none.
    pub network: Option<NetworkAttachment>,
}

/// A mount in the engine's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeMount {
    /// A volume by its name on the engine.
    Volume {
        /// The volume.
        name: String,
        /// Where.
        target: String,
        /// Whether it may only be read.
        read_only: bool,
    },
    /// A path of the host.
    Bind {
        /// The path.
        path: String,
        /// Where.
        target: String,
        /// Whether it may only be read.
        read_only: bool,
    },
    /// Memory.
    Tmpfs {
        /// Where.
        target: String,
    },
}

/// How a container is joined to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAttachment {
    /// The network by its name on the engine, or by its id where the name is not unique.
    pub network: String,
    /// Names under which others on the network find it.
    pub aliases: Vec<String>,
}

/// Which containers. Every field that is set narrows the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerFilter {
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
}

/// A container as a list of the engine shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeContainer {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// The id of the image that it runs.
    pub image_id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it does.
    pub state: InstanceState,
    /// What its health check says.
    pub health: Health,
    /// Ports as they are published.
    pub ports: Vec<PublishedPort>,
}

/// A container as only an inspection shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// What a list shows too.
    pub container: RuntimeContainer,
    /// The output of the last failed try of its check, or the engine's word on why it ended.
    pub detail: Option<String>,
    /// How often the engine restarted it.
    pub restart_count: u32,
    /// Changes with each start.
    pub started_at: Option<String>,
    /// Its environment, that of the image included.
    pub env: BTreeMap<String, String>,
    /// Entrypoint and command, as one line of words.
    pub command: Vec<String>,
    /// Its mounts.
    pub mounts: Vec<RuntimeMount>,
    /// When the engine starts it again.
    pub restart_policy: RestartPolicy,
    /// The most it may use.
    pub limits: ResourceLimits,
    /// The networks that it is joined to, by name.
    pub networks: Vec<String>,
}

/// A network to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Its address range, as CIDR.
    pub subnet: Option<String>,
    /// The gateway's address.
    pub gateway: Option<IpAddr>,
    /// The part of the subnet from which containers get addresses.
    pub ip_range: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A network as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address ranges, as CIDR.
    pub subnets: Vec<String>,
    /// When it was made: text that sorts by time. Engines may hold several networks of one name.
    pub created_at: String,
}

/// A volume as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it went to the error stream.
    pub stderr: bool,
    /// The line, without its end.
    pub text: String,
}
