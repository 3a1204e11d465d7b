//! What a placement has put on the hosts so far.

use std::collections::BTreeMap;

use crate::id::AgentId;
use crate::stack::{ContainerSpec, HostPorts};

/// The containers on each host, by what this placement decided.
#[derive(Debug, Default)]
pub(super) struct Tally<'s> {
    hosts: BTreeMap<&'s AgentId, Share<'s>>,
}

/// What one host got.
#[derive(Debug, Default)]
struct Share<'s> {
    count: usize,
    ports: HostPorts<&'s ContainerSpec>,
    names: BTreeMap<&'s str, &'s ContainerSpec>,
}

impl<'s> Tally<'s> {
    pub(super) fn add(&mut self, host: &'s AgentId, container: &'s ContainerSpec) {
        let share = self.hosts.entry(host).or_default();
        share.count += 1;
        for port in &container.ports {
            share.ports.take(port, container);
        }
        if let Some(name) = &container.container_name {
            share.names.insert(name, container);
        }
    }

    /// How many instances it put on a host.
    pub(super) fn count(&self, host: &AgentId) -> usize {
        self.hosts.get(host).map_or(0, |share| share.count)
    }

    /// Why a container cannot be beside what it put there. Reads after the host's name.
    pub(super) fn clash(&self, host: &AgentId, container: &ContainerSpec) -> Option<String> {
        let share = self.hosts.get(host)?;
        let taken = container.ports.iter().find_map(|port| Some((port, share.ports.owner(port)?)));
        if let Some((port, other)) = taken {
            let number = port.host_port.unwrap_or_default();
            return Some(format!("has host port {number}/{} taken by {} of this stack", port.protocol, other.name));
        }
        let name = container.container_name.as_deref()?;
        let other = share.names.get(name)?;
        Some(format!("has the name {name} taken by {} of this stack", other.name))
    }
}
