//! A host as placement sees it.

use std::collections::BTreeMap;

use crate::id::{AgentId, ContainerName, Slot, StackName};
use crate::stack::{Capacity, ContainerSpec, HostState, Instance, PortSpec, PublishedPort};

/// A host, and what of it matters to one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// The host.
    pub id: AgentId,
    /// Whether it answers.
    pub state: HostState,
    /// Whether nothing new may be placed on it.
    pub cordoned: bool,
    /// What it has, where that is known.
    pub capacity: Option<Capacity>,
    /// Its labels, where they are known.
    pub labels: Option<BTreeMap<String, String>>,
    /// Host ports that others than the stack hold.
    pub held_ports: Vec<HeldPort>,
    /// How many instances it has, of any stack.
    pub instances: usize,
    /// The instances of the stack that it has.
    pub own: Vec<(ContainerName, Slot)>,
}

/// A host port that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPort {
    /// The port as it is published.
    pub port: PublishedPort,
    /// Who holds it.
    pub holder: String,
}

impl HostView {
    /// A host as a stack sees it, from what the host reported.
    #[must_use]
    pub fn of(
        id: AgentId,
        state: HostState,
        capacity: Option<Capacity>,
        instances: &[Instance],
        stack: &StackName,
    ) -> Self {
        let (own, others): (Vec<_>, Vec<_>) =
            instances.iter().partition(|instance| instance.stack.as_ref() == Some(stack));
        Self {
            id,
            state,
            cordoned: false,
            // A host that has not looked yet reports zeros.
            capacity: capacity.filter(|capacity| capacity.cpu_millis > 0 || capacity.memory_bytes > 0),
            labels: None,
            held_ports: others.into_iter().flat_map(HeldPort::of).collect(),
            instances: instances.len(),
            own: own.into_iter().map(|instance| (instance.container.clone(), instance.slot)).collect(),
        }
    }

    /// Whether it has this instance of the stack.
    pub(super) fn has(&self, container: &ContainerName, slot: Slot) -> bool {
        self.own.iter().any(|(name, number)| name == container && *number == slot)
    }

    /// The first port of a container that somebody else holds here.
    pub(super) fn conflict<'s>(&self, container: &'s ContainerSpec) -> Option<(&'s PortSpec, &HeldPort)> {
        container.ports.iter().find_map(|port| {
            let holder = self.held_ports.iter().find(|held| held.port.clashes_with(port))?;
            Some((port, holder))
        })
    }
}

impl HeldPort {
    fn of(instance: &Instance) -> impl Iterator<Item = Self> {
        let holder = match &instance.stack {
            Some(stack) => format!("container {} of stack {stack}", instance.container),
            None => format!("container {}", instance.name),
        };
        instance.ports.iter().map(move |port| Self { port: port.clone(), holder: holder.clone() })
    }
}
