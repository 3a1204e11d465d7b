//! `cleanup`: nothing of a stack is left on this host.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::time::{Instant, sleep};

use super::delete::Ending;
use super::{EngineDeployer, go_on};
use crate::deploy::{CleanupRequest, ContainerFilter, DeployError, DeployErrorKind, NetworkInfo, StepContext, label};
use crate::task::Outcome;

const STEP: &str = "cleanup";
/// Containers that are stopped and removed at a time.
const AT_A_TIME: usize = 8;
/// How long a network may still be in use after its containers have ended.
const ENDPOINT_PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

impl EngineDeployer {
    pub(super) async fn clean_up_stack(
        &self,
        request: &CleanupRequest,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        let mut labels = self.owner.labels();
        labels.insert(label::STACK.to_owned(), request.stack.to_string());
        let filter = ContainerFilter { labels };
        let mut outcome = Outcome::default();

        go_on(context, "look")?;
        let containers = self.runtime.list(&filter).await?;
        let ending = Ending { force: false, volumes: false, timeout: None };
        let mut ends = stream::iter(containers)
            .map(|container| async move { (self.end(&container, ending, context).await, container) })
            .buffer_unordered(AT_A_TIME);
        while let Some((ended, container)) = ends.next().await {
            ended?;
            outcome.instances.extend(self.report(&container, "removed"));
        }
        drop(ends);

        go_on(context, "network")?;
        for network in self.runtime.networks(&filter.labels).await? {
            self.remove_network(&network, context).await.map_err(|e| e.in_step("network"))?;
        }
        if request.remove_volumes {
            go_on(context, "volume")?;
            for volume in self.runtime.volumes(&filter.labels).await? {
                self.runtime.remove_volume(&volume.name).await.map_err(|e| e.in_step("volume"))?;
            }
        }
        self.confirm_empty(request, &filter, context).await?;
        Ok(outcome)
    }

    /// Removes a network. Engines let go of the endpoints of ended containers a moment later.
    async fn remove_network(&self, network: &NetworkInfo, context: &StepContext) -> Result<(), DeployError> {
        let began = Instant::now();
        loop {
            match self.runtime.remove_network(&network.id).await {
                Err(error) if error.kind() == DeployErrorKind::InUse && began.elapsed() < ENDPOINT_PATIENCE => {
                    go_on(context, "network")?;
                    sleep(PAUSE).await;
                }
                Err(error) if error.kind() == DeployErrorKind::InUse => {
                    return Err(error.noting(format!(
                        "disconnect what is on it (`docker network inspect {}`); if nothing is, the engine has lost \
                         count, and only its restart helps",
                        network.name
                    )));
                }
                other => return other,
            }
        }
    }

    /// Success is observed: the engine is asked again.
    async fn confirm_empty(
        &self,
        request: &CleanupRequest,
        filter: &ContainerFilter,
        context: &StepContext,
    ) -> Result<(), DeployError> {
        go_on(context, "confirm")?;
        let containers = self.runtime.list(filter).await?;
        let networks = self.runtime.networks(&filter.labels).await?;
        let volumes = if request.remove_volumes { self.runtime.volumes(&filter.labels).await? } else { Vec::new() };
        let left: Vec<_> = (containers.iter().map(|c| format!("container {}", c.name)))
            .chain(networks.iter().map(|n| format!("network {}", n.name)))
            .chain(volumes.iter().map(|v| format!("volume {}", v.name)))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let message = format!(
            "stack {} still has on host {}: {}; something made it during the clean-up, so clean up again",
            request.stack,
            self.owner.host,
            left.join(", ")
        );
        Err(DeployError::new(DeployErrorKind::Internal, message).in_step(STEP))
    }
}
