//! The one deployer, over any [`Runtime`]: a file for each verb, and one for each thing a verb needs.
//!
//! It keeps no state that matters: what is there is read from the engine, by label, each time. So every verb may be
//! dropped anywhere and repeated by another process.

mod cleanup;
mod config;
mod conflict;
mod delete;
mod deploy;
mod ending;
mod find;
mod image;
mod network;
mod observe;
mod power;
mod serial;
mod slot;
mod update;
mod volume;
mod watch;

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    CleanupRequest, DeleteRequest, DeployError, DeployErrorKind, DeployRequest, Deployer, HostIdentity, InstanceTarget,
    LogLine, Runtime, StepContext, UpdateRequest,
};
use crate::stack::{EngineInfo, Instance};
use crate::task::{Outcome, PrefetchPayload};
use serial::Serial;

/// Changes the containers of one host through its engine.
///
/// # Example
/// ```
/// use std::sync::Arc;
///
/// use graphium_core::deploy::{DeployRequest, Deployer, EngineDeployer, HostIdentity, MemoryRuntime, StepContext};
/// use graphium_core::id::{AgentId, ContainerName, Generation, InstallationId, Slot};
/// use graphium_core::stack::{ContainerSpec, PullPolicy};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let owner = HostIdentity { installation: InstallationId::generate(), host: AgentId::new("vm1")? };
/// let deployer = EngineDeployer::new(Arc::new(MemoryRuntime::new()), owner);
///
/// let request = DeployRequest {
///     stack: None,
///     spec: ContainerSpec::new(ContainerName::new("web")?, "nginx:1.27"),
///     slot: Slot(0),
///     generation: Generation(1),
///     network: None,
///     pull_policy: PullPolicy::IfNotPresent,
///     run_to_completion: false,
/// };
/// deployer.deploy(&request, &StepContext::detached()).await?;
/// assert!(deployer.observe().await?[0].is_good());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EngineDeployer {
    runtime: Arc<dyn Runtime>,
    owner: HostIdentity,
    /// Two tasks of one stack must not both make its network: engines allow two of one name.
    networks: Serial,
    /// Containers on one network end one after the other.
    endings: Serial,
}

impl EngineDeployer {
    /// The deployer of one host over a runtime.
    #[must_use]
    pub fn new(runtime: Arc<dyn Runtime>, owner: HostIdentity) -> Self {
        Self { runtime, owner, networks: Serial::default(), endings: Serial::default() }
    }

    /// Whose objects it changes.
    #[must_use]
    pub const fn owner(&self) -> &HostIdentity {
        &self.owner
    }
}

#[async_trait]
impl Deployer for EngineDeployer {
    async fn deploy(&self, request: &DeployRequest, context: &StepContext) -> Result<Outcome, DeployError> {
        self.deploy_instance(request, context).await
    }

    async fn delete(&self, request: &DeleteRequest, context: &StepContext) -> Result<Outcome, DeployError> {
        self.delete_instance(request, context).await
    }

    async fn stop(
        &self,
        target: &InstanceTarget,
        timeout: Option<u32>,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        self.stop_instance(target, timeout, context).await
    }

    async fn start(&self, target: &InstanceTarget, context: &StepContext) -> Result<Outcome, DeployError> {
        self.start_instance(target, context).await
    }

    async fn restart(
        &self,
        target: &InstanceTarget,
        timeout: Option<u32>,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        self.restart_instance(target, timeout, context).await
    }

    async fn update(&self, request: &UpdateRequest, context: &StepContext) -> Result<Outcome, DeployError> {
        self.update_instance(request, context).await
    }

    async fn prefetch(&self, payload: &PrefetchPayload, context: &StepContext) -> Result<Outcome, DeployError> {
        self.prefetch_images(payload, context).await
    }

    async fn cleanup(&self, request: &CleanupRequest, context: &StepContext) -> Result<Outcome, DeployError> {
        self.clean_up_stack(request, context).await
    }

    async fn observe(&self) -> Result<Vec<Instance>, DeployError> {
        self.observe_instances().await
    }

    async fn engine(&self) -> Result<EngineInfo, DeployError> {
        self.runtime.engine().await
    }

    async fn logs(&self, target: &InstanceTarget, lines: usize) -> Result<Vec<LogLine>, DeployError> {
        let container = self.the_one(target).await?;
        self.runtime.logs(&container.id, lines).await
    }

    async fn changed(&self) {
        self.runtime.changed(&self.owner.labels()).await;
    }
}

/// Ends with [`DeployErrorKind::Cancelled`] when the work must stop: what every verb asks between its steps.
fn go_on(context: &StepContext, before: &'static str) -> Result<(), DeployError> {
    if context.cancel.is_cancelled() {
        let message = format!("cancelled before the step {before}");
        return Err(DeployError::new(DeployErrorKind::Cancelled, message).in_step(before));
    }
    context.step(before);
    Ok(())
}
