//! What a placement has put on the hosts so far.

use std::collections::BTreeMap;

use crate::id::AgentId;
use crate::stack::ContainerSpec;

/// The containers on each host, by what this placement decided.
#[derive(Debug, Default)]
pub(super) struct Tally<'s> {
    hosts: BTreeMap<&'s AgentId, Vec<&'s ContainerSpec>>,
}

impl<'s> Tally<'s> {
    pub(super) fn add(&mut self, host: &'s AgentId, container: &'s ContainerSpec) {
        self.hosts.entry(host).or_default().push(container);
    }

    /// How many instances it put on a host.
    pub(super) fn count(&self, host: &AgentId) -> usize {
        self.hosts.get(host).map_or(0, Vec::len)
    }

    /// Why a container cannot be beside what it put there. Reads after the host's name.
    pub(super) fn clash(&self, host: &AgentId, container: &ContainerSpec) -> Option<String> {
        self.hosts.get(host)?.iter().find_map(|other| {
            let taken = container.ports.iter().find(|port| other.ports.iter().any(|theirs| port.clashes_with(theirs)));
            if let Some(port) = taken {
                let number = port.host_port.unwrap_or_default();
                return Some(format!("has host port {number}/{} taken by {} of this stack", port.protocol, other.name));
            }
            let name = container.container_name.as_ref()?;
            (other.container_name.as_ref() == Some(name))
                .then(|| format!("has the name {name} taken by {} of this stack", other.name))
        })
    }
}
