//! Finding instances: by label, never by name alone.

use super::EngineDeployer;
use crate::deploy::{
    ContainerFilter, DeployError, DeployErrorKind, Inspection, InstanceLabels, InstanceTarget, RuntimeContainer, label,
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
            return Ok(self.owned(self.runtime.inspect(id).await?));
        }
        let Some(container) = &target.container else {
            let message = "the target names neither a container nor an id of the engine; give one of them";
            return Err(DeployError::new(DeployErrorKind::Invalid, message));
        };
        let found = self.slot(target.stack.as_ref(), container, target.slot).await?;
        if !found.is_empty() || target.stack.is_some() {
            return Ok(found);
        }
        Ok(self.owned(self.named(container.as_str()).await?))
    }

    fn owned(&self, found: Option<Inspection>) -> Vec<RuntimeContainer> {
        let found = found.map(|inspection| inspection.container);
        found.into_iter().filter(|container| self.owner.owns(&container.labels)).collect()
    }

    /// The container of exactly this name. An engine also takes a name for the beginning of an id, and `db` begins one.
    pub(super) async fn named(&self, name: &str) -> Result<Option<Inspection>, DeployError> {
        Ok(self.runtime.inspect(name).await?.filter(|found| found.container.name == name))
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
