//! A host as placement sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::id::{AgentId, ContainerName, Slot, StackName};
use crate::stack::{Capacity, ContainerSpec, HostState, Instance, PortSpec, Protocol};

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
    /// The address on the host.
    pub host_ip: String,
    /// The port on the host.
    pub host_port: u16,
    /// The protocol.
    pub protocol: Protocol,
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
            let holder = self.held_ports.iter().find(|held| held.clashes_with(port))?;
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
        instance.ports.iter().map(move |port| Self {
            host_ip: port.host_ip.clone(),
            host_port: port.host_port,
            protocol: port.protocol,
            holder: holder.clone(),
        })
    }

    /// Whether a wanted port cannot be published beside this one. An address that cannot be read counts as all.
    fn clashes_with(&self, wanted: &PortSpec) -> bool {
        let host_ip: Option<IpAddr> = self.host_ip.parse().ok();
        let port = PortSpec { host_port: Some(self.host_port), protocol: self.protocol, host_ip, container_port: 0 };
        port.clashes_with(wanted)
    }
}
