//! `update`: some fields of an instance.

use super::config::{Definition, MAX_DEFINITION_BYTES};
use super::{EngineDeployer, go_on};
use crate::deploy::{
    DeployError, DeployErrorKind, DeployRequest, InstanceLabels, RuntimeContainer, StepContext, UpdateRequest,
};
use crate::stack::PullPolicy;
use crate::task::{Outcome, UpdateSpec};

impl EngineDeployer {
    /// Restart policy and limits change in place. Another image or variable needs a new container, made from the
    /// definition that the old one carries; the instance then differs from its stack's spec, and shows it.
    pub(super) async fn update_instance(
        &self,
        request: &UpdateRequest,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        go_on(context, "look")?;
        let container = self.the_one(&request.target).await?;
        let changes = &request.changes;
        if changes.image.is_some() || !changes.env.is_empty() {
            let changed = self.changed_request(&container, changes).await?;
            return self.deploy_instance(&changed, context).await;
        }
        let limits = changes.resources.map(|resources| resources.limits);
        if changes.restart_policy.is_none() && limits.is_none() {
            let instances = self.report(&container, "unchanged").into_iter().collect();
            return Ok(Outcome { instances, ..Outcome::default() });
        }
        go_on(context, "update")?;
        self.runtime.update(&container.id, changes.restart_policy, limits).await.map_err(|e| e.in_step("update"))?;
        Ok(Outcome { instances: self.report(&container, "updated").into_iter().collect(), ..Outcome::default() })
    }

    async fn changed_request(
        &self,
        container: &RuntimeContainer,
        changes: &UpdateSpec,
    ) -> Result<DeployRequest, DeployError> {
        let (Some(labels), Some(definition)) = (self.labels_of(container), Definition::read(container)) else {
            let message = format!(
                "container {} does not carry its definition (one above {MAX_DEFINITION_BYTES} bytes is not kept), \
                 so image and variables cannot be changed one by one; deploy its stack with the change instead",
                container.name
            );
            return Err(DeployError::new(DeployErrorKind::Unsupported, message));
        };
        let InstanceLabels { stack, slot, generation, .. } = labels;
        let Definition { mut spec, network } = definition;
        // What an earlier update changed in place is not in the definition.
        if let Some(seen) = self.runtime.inspect(&container.id).await? {
            spec.restart_policy = seen.restart_policy;
            spec.resources.limits = seen.limits;
        }
        if let Some(image) = &changes.image {
            spec.image.clone_from(image);
        }
        spec.env.extend(changes.env.clone());
        if let Some(policy) = changes.restart_policy {
            spec.restart_policy = policy;
        }
        if let Some(resources) = changes.resources {
            spec.resources = resources;
        }
        let pull_policy = if changes.image.is_some() { spec.pull_policy } else { PullPolicy::IfNotPresent };
        Ok(DeployRequest { stack, spec, slot, generation, network, pull_policy, run_to_completion: false })
    }
}
