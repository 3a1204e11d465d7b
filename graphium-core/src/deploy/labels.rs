//! The labels that say whose an object is and what it is for.

use std::collections::BTreeMap;

use super::HostIdentity;
use crate::id::{ContainerName, Generation, Slot, StackName, TaskId};

/// What every label of ours begins with. A user's spec may not use it.
pub const LABEL_PREFIX: &str = "graphium.";

/// The names of the labels.
pub mod label {
    /// `true` on every object of ours.
    pub const MANAGED: &str = "graphium.managed";
    /// The installation.
    pub const INSTALLATION: &str = "graphium.installation";
    /// The host.
    pub const HOST: &str = "graphium.host";
    /// The stack; absent on a container of a bare task.
    pub const STACK: &str = "graphium.stack";
    /// The container spec.
    pub const CONTAINER: &str = "graphium.container";
    /// The replica.
    pub const SLOT: &str = "graphium.instance";
    /// The deployment that made it.
    pub const GENERATION: &str = "graphium.generation";
    /// The hash of the spec it was made from.
    pub const SPEC: &str = "graphium.spec";
    /// The task that made it.
    pub const TASK: &str = "graphium.task";
    /// On a network: its name within the stack.
    pub const NETWORK: &str = "graphium.network";
    /// On a volume: its name within the stack.
    pub const VOLUME: &str = "graphium.volume";
    /// On a container: the definition it was made from, as JSON, so that one field of it can be changed later.
    pub const DEFINITION: &str = "graphium.definition";
}

impl HostIdentity {
    /// The labels of every object of this owner: what every list filters on.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (label::MANAGED, "true".to_owned()),
            (label::INSTALLATION, self.installation.to_string()),
            (label::HOST, self.host.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Whether an object with these labels belongs to this owner.
    #[must_use]
    pub fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels().iter().all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// The labels of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceLabels {
    /// The stack; none for a container of a bare task.
    pub stack: Option<StackName>,
    /// The container spec.
    pub container: ContainerName,
    /// The replica.
    pub slot: Slot,
    /// The deployment that made it.
    pub generation: Generation,
    /// The hash of the spec it was made from.
    pub spec: String,
    /// The task that made it.
    pub task: Option<TaskId>,
}

impl InstanceLabels {
    /// As labels, with those of the owner.
    #[must_use]
    pub fn write(&self, owner: &HostIdentity) -> BTreeMap<String, String> {
        let mut labels = owner.labels();
        let mut put = |name: &str, value: String| drop(labels.insert(name.to_owned(), value));
        if let Some(stack) = &self.stack {
            put(label::STACK, stack.to_string());
        }
        put(label::CONTAINER, self.container.to_string());
        put(label::SLOT, self.slot.to_string());
        put(label::GENERATION, self.generation.to_string());
        put(label::SPEC, self.spec.clone());
        if let Some(task) = self.task {
            put(label::TASK, task.to_string());
        }
        labels
    }

    /// From labels; none where they are not those of an instance of the owner.
    #[must_use]
    pub fn read(labels: &BTreeMap<String, String>, owner: &HostIdentity) -> Option<Self> {
        if !owner.owns(labels) {
            return None;
        }
        let stack = match labels.get(label::STACK) {
            Some(stack) => Some(stack.parse().ok()?),
            None => None,
        };
        Some(Self {
            stack,
            container: labels.get(label::CONTAINER)?.parse().ok()?,
            slot: Slot(labels.get(label::SLOT)?.parse().ok()?),
            generation: Generation(labels.get(label::GENERATION)?.parse().ok()?),
            spec: labels.get(label::SPEC)?.clone(),
            task: labels.get(label::TASK).and_then(|task| task.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, InstallationId};

    fn owner(host: &str) -> HostIdentity {
        HostIdentity { installation: InstallationId::from_uuid(uuid::Uuid::nil()), host: AgentId::new(host).unwrap() }
    }

    #[test]
    fn labels_are_read_back_by_their_owner_and_by_nobody_else() {
        let labels = InstanceLabels {
            stack: Some(StackName::new("shop").unwrap()),
            container: ContainerName::new("web").unwrap(),
            slot: Slot(2),
            generation: Generation(7),
            spec: "1:ab".into(),
            task: Some(TaskId::generate()),
        };
        let written = labels.write(&owner("vm1"));
        assert_eq!(InstanceLabels::read(&written, &owner("vm1")), Some(labels));
        assert_eq!(InstanceLabels::read(&written, &owner("vm2")), None);
    }
}
