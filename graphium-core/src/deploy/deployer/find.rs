//! Finding instances: by label, never by name alone.

use super::EngineDeployer;
use crate::deploy::{
    ContainerFilter, DeployError, DeployErrorKind, InstanceLabels, InstanceTarget, RuntimeContainer, label,
};
use crate::id::{ContainerName, Slot, StackName};
use crate::stack::InstanceState;

impl EngineDeployer {
    /// Every container of one slot: one, unless an attempt was cut off.
    pub(super) async fn slot(
        &self,
        stack: Option<&StackName>,
        container: &ContainerName,
        slot: Slot,
    ) -> Result<Vec<RuntimeContainer>, DeployError> {
        let mut labels = self.owner.labels();
        labels.insert(label::CONTAINER.to_owned(), container.to_string());
        labels.insert(label::SLOT.to_owned(), slot.to_string());
        if let Some(stack) = stack {
            labels.insert(label::STACK.to_owned(), stack.to_string());
        }
        let mut found = self.runtime.list(&ContainerFilter { labels }).await?;
        // A filter cannot ask for the absence of the stack's label.
        found
            .retain(|container| container.labels.get(label::STACK).map(String::as_str) == stack.map(StackName::as_str));
        Ok(found)
    }

    /// The containers that a target means; none when they are gone. What belongs to somebody else is not seen.
    pub(super) async fn targeted(&self, target: &InstanceTarget) -> Result<Vec<RuntimeContainer>, DeployError> {
        if let Some(id) = &target.runtime_id {
            return self.owned(id).await;
        }
        let Some(container) = &target.container else {
            let message = "the target names neither a container nor an id of the engine; give one of them";
            return Err(DeployError::new(DeployErrorKind::Invalid, message));
        };
        let found = self.slot(target.stack.as_ref(), container, target.slot).await?;
        if !found.is_empty() || target.stack.is_some() {
            return Ok(found);
        }
        self.owned(container.as_str()).await
    }

    async fn owned(&self, id_or_name: &str) -> Result<Vec<RuntimeContainer>, DeployError> {
        let found = self.runtime.inspect(id_or_name).await?.map(|inspection| inspection.container);
        Ok(found.into_iter().filter(|container| self.owner.owns(&container.labels)).collect())
    }

    /// The one container that a target means: the running one where a cut-off attempt left several.
    pub(super) async fn the_one(&self, target: &InstanceTarget) -> Result<RuntimeContainer, DeployError> {
        let found = self.targeted(target).await?;
        found.into_iter().max_by_key(|container| liveliness(container.state)).ok_or_else(|| self.not_there(target))
    }

    fn not_there(&self, target: &InstanceTarget) -> DeployError {
        let message = format!("{} is not on host {}; deploy it first", describe(target), self.owner.host);
        DeployError::new(DeployErrorKind::NotFound, message)
    }

    /// What the labels of a container of ours say.
    pub(super) fn labels_of(&self, container: &RuntimeContainer) -> Option<InstanceLabels> {
        InstanceLabels::read(&container.labels, &self.owner)
    }
}

/// How much of a running instance a container is: the greatest of a slot is the one that serves.
pub(super) const fn liveliness(state: InstanceState) -> u8 {
    match state {
        InstanceState::Running => 5,
        InstanceState::Restarting => 4,
        InstanceState::Paused => 3,
        InstanceState::Exited { .. } => 2,
        InstanceState::Created => 1,
        InstanceState::Removing | InstanceState::Dead => 0,
    }
}

/// A target in words.
pub(super) fn describe(target: &InstanceTarget) -> String {
    match (&target.runtime_id, &target.stack, &target.container) {
        (Some(id), ..) => format!("container {id}"),
        (None, Some(stack), Some(container)) => format!("instance {container}/{} of stack {stack}", target.slot),
        (None, None, Some(container)) => format!("container {container}"),
        (None, stack, None) => format!("a container without a name of {stack:?}"),
    }
}
