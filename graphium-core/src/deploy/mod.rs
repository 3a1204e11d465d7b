//! Changing containers on one host, idempotently.
//!
//! [`Deployer`] is what executors call; it is written once, as [`EngineDeployer`], over [`Runtime`]: the
//! primitives of an engine. A new engine is a small file. This module knows no store and no server.

mod deployer;
mod error;
mod identity;
mod labels;
mod memory;
mod request;
mod runtime;
mod work_time;

#[cfg(feature = "docker")]
pub mod docker;

pub use deployer::EngineDeployer;
pub use error::{DeployError, DeployErrorKind};
pub use identity::{HostIdentity, engine_name};
pub use labels::{InstanceLabels, LABEL_PREFIX, label};
pub use memory::{EngineCall, MemoryImage, MemoryRuntime};
pub use request::{
    CleanupRequest, DeleteRequest, DeployRequest, InstanceTarget, ProgressSink, SilentProgress, StepContext,
    UpdateRequest,
};
pub use runtime::{
    ContainerConfig, ContainerFilter, ImageInfo, Inspection, LogLine, NetworkAttachment, NetworkConfig, NetworkInfo,
    Runtime, RuntimeContainer, RuntimeMount, VolumeInfo,
};
pub use work_time::{Busy, WorkTime};

use async_trait::async_trait;

use crate::stack::{EngineInfo, Instance};
use crate::task::{Outcome, PrefetchPayload};

/// Changes the containers of one host.
///
/// # Contract
/// Every verb is idempotent: repeated after a crash at any await point it ends in the same state. It
/// touches only objects that carry this installation's and this host's labels; one of somebody else with a
/// wanted name is a [`DeployErrorKind::NameConflict`]. Deleting what is gone is success. Success means observed.
///
/// # Cancel safety
/// Every verb may be dropped at any await point. Each also looks at the context's token between its steps and
/// ends with [`DeployErrorKind::Cancelled`], saying what it left.
///
/// # Errors
/// [`DeployError`], by kind; the message names the object and, in a conflict, its holder.
#[async_trait]
pub trait Deployer: std::fmt::Debug + Send + Sync {
    /// Brings an instance into being as its spec says, and waits until it is observed good. The image is on the host
    /// before anything is stopped. An instance of the same spec is adopted; one of another spec is replaced.
    async fn deploy(&self, request: &DeployRequest, context: &StepContext) -> Result<Outcome, DeployError>;

    /// Removes an instance, and waits until the engine no longer has it.
    async fn delete(&self, request: &DeleteRequest, context: &StepContext) -> Result<Outcome, DeployError>;

    /// Stops an instance and keeps it. `timeout` is in seconds; none is the engine's own for the container.
    async fn stop(
        &self,
        target: &InstanceTarget,
        timeout: Option<u32>,
        context: &StepContext,
    ) -> Result<Outcome, DeployError>;

    /// Starts an instance, and waits until it is observed good.
    async fn start(&self, target: &InstanceTarget, context: &StepContext) -> Result<Outcome, DeployError>;

    /// Stops and starts an instance, and waits until it is observed good.
    async fn restart(
        &self,
        target: &InstanceTarget,
        timeout: Option<u32>,
        context: &StepContext,
    ) -> Result<Outcome, DeployError>;

    /// Changes some fields of an instance: in place where the engine can, else by replacing it.
    async fn update(&self, request: &UpdateRequest, context: &StepContext) -> Result<Outcome, DeployError>;

    /// Brings images to the host.
    async fn prefetch(&self, payload: &PrefetchPayload, context: &StepContext) -> Result<Outcome, DeployError>;

    /// Removes everything that a stack left on the host, and confirms that nothing is left.
    async fn cleanup(&self, request: &CleanupRequest, context: &StepContext) -> Result<Outcome, DeployError>;

    /// Every instance with this installation's and this host's labels. An engine's list does not tell how often it
    /// restarted an instance: that is known of those which it is restarting at the moment, and 0 of the others.
    async fn observe(&self) -> Result<Vec<Instance>, DeployError>;

    /// The engine of the host.
    async fn engine(&self) -> Result<EngineInfo, DeployError>;

    /// The last lines that an instance wrote, oldest first.
    async fn logs(&self, target: &InstanceTarget, lines: usize) -> Result<Vec<LogLine>, DeployError>;

    /// Answers when something on the engine may have changed since the last answer: a hint. It may answer too
    /// often; an engine without such news never does.
    async fn changed(&self);
}
