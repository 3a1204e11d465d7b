//! What is there.

use futures::future::try_join_all;

use super::EngineDeployer;
use crate::deploy::{ContainerFilter, DeployError, RuntimeContainer};
use crate::stack::{Instance, InstanceState};

impl EngineDeployer {
    /// Every instance of this host, in one list. Only what the engine is restarting is looked at closer: how often.
    pub(super) async fn observe_instances(&self) -> Result<Vec<Instance>, DeployError> {
        let found = self.runtime.list(&ContainerFilter { labels: self.owner.labels() }).await?;
        let mut instances: Vec<_> = try_join_all(found.into_iter().map(|container| self.instance(container)))
            .await?
            .into_iter()
            .flatten()
            .collect();
        instances.sort_by(|a, b| {
            (&a.stack, &a.container, a.slot, &a.runtime_id).cmp(&(&b.stack, &b.container, b.slot, &b.runtime_id))
        });
        Ok(instances)
    }

    async fn instance(&self, container: RuntimeContainer) -> Result<Option<Instance>, DeployError> {
        let Some(labels) = self.labels_of(&container) else {
            tracing::warn!(container = container.name, "a container carries our labels and no whole set of them");
            return Ok(None);
        };
        let restart_count = if container.state == InstanceState::Restarting {
            self.runtime.inspect(&container.id).await?.map_or(0, |seen| seen.restart_count)
        } else {
            0
        };
        Ok(Some(Instance {
            runtime_id: container.id,
            name: container.name,
            stack: labels.stack,
            container: labels.container,
            slot: labels.slot,
            generation: labels.generation,
            spec_hash: labels.spec,
            task: labels.task,
            image: container.image,
            image_digest: container.image_id,
            state: container.state,
            health: container.health,
            restart_count,
            ports: container.ports,
        }))
    }
}
