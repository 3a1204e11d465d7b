//! `delete`: an instance is gone, and observed to be.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{EngineDeployer, go_on};
use crate::deploy::{DeleteRequest, DeployError, DeployErrorKind, RuntimeContainer, StepContext};
use crate::stack::InstanceState;
use crate::task::{InstanceReport, Outcome};

/// How long an engine may take to remove a container that it said it removes.
pub(super) const REMOVAL_PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// How a container ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) force: bool,
    pub(super) volumes: bool,
    pub(super) timeout: Option<u32>,
}

impl EngineDeployer {
    pub(super) async fn delete_instance(
        &self,
        request: &DeleteRequest,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        go_on(context, "look")?;
        let ending = Ending { force: request.force, volumes: request.remove_volumes, timeout: request.stop_timeout };
        let mut outcome = Outcome::default();
        for container in self.targeted(&request.target).await? {
            self.end(&container, ending, context).await?;
            outcome.instances.extend(self.report(&container, "removed"));
        }
        Ok(outcome)
    }

    /// Stops a container, removes it, and sees that it is gone.
    pub(super) async fn end(
        &self,
        container: &RuntimeContainer,
        ending: Ending,
        context: &StepContext,
    ) -> Result<(), DeployError> {
        let runs = !matches!(
            container.state,
            InstanceState::Created | InstanceState::Exited { .. } | InstanceState::Removing | InstanceState::Dead
        );
        if runs && !ending.force {
            go_on(context, "stop")?;
            self.halt(container, ending.timeout).await?;
        }
        go_on(context, "remove")?;
        self.discard(container, ending.volumes).await?;
        self.until_gone(container, context).await
    }

    /// Waits until the engine no longer has a container: a removal may be in progress on behalf of somebody else.
    pub(super) async fn until_gone(
        &self,
        container: &RuntimeContainer,
        context: &StepContext,
    ) -> Result<(), DeployError> {
        let began = Instant::now();
        while self.runtime.inspect(&container.id).await?.is_some() {
            if began.elapsed() > REMOVAL_PATIENCE {
                let message = format!(
                    "container {} is still there {} s after its removal; look at the engine's own log",
                    container.name,
                    REMOVAL_PATIENCE.as_secs()
                );
                return Err(DeployError::new(DeployErrorKind::Internal, message).in_step("remove"));
            }
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => {
                    let message = format!("cancelled while container {} was being removed", container.name);
                    return Err(DeployError::new(DeployErrorKind::Cancelled, message).in_step("remove"));
                }
                () = sleep(PAUSE) => {}
            }
        }
        Ok(())
    }

    /// What a verb did to a container, for its outcome; none where the labels are not whole.
    pub(super) fn report(&self, container: &RuntimeContainer, action: &str) -> Option<InstanceReport> {
        let labels = self.labels_of(container)?;
        Some(InstanceReport {
            container: labels.container,
            slot: labels.slot,
            runtime_id: container.id.clone(),
            name: container.name.clone(),
            image_digest: Some(container.image_id.clone()),
            spec_hash: Some(labels.spec),
            action: action.to_owned(),
        })
    }
}
