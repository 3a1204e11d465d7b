//! Host ports and explicit names: no two of them may meet on one host.

use std::collections::BTreeMap;

use super::Problems;
use crate::id::AgentId;
use crate::stack::{ContainerSpec, HostPorts, PlacementStrategy, PortSpec, PublishedPort, StackSpec};

impl PortSpec {
    /// Whether two ports cannot be published on one host: the same number and protocol, on the same
    /// address or with one of them on every address.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        let everywhere = |port: &Self| port.host_ip.is_none_or(|ip| ip.is_unspecified());
        self.host_port.is_some()
            && self.host_port == other.host_port
            && self.protocol == other.protocol
            && (everywhere(self) || everywhere(other) || self.host_ip == other.host_ip)
    }
}

impl PublishedPort {
    /// Whether a wanted port cannot be published beside this one. An address that cannot be read counts as all.
    #[must_use]
    pub fn clashes_with(&self, wanted: &PortSpec) -> bool {
        let published = PortSpec {
            container_port: self.container_port,
            host_port: Some(self.host_port),
            protocol: self.protocol,
            host_ip: self.host_ip.parse().ok(),
        };
        published.clashes_with(wanted)
    }
}

/// Whose a port is: the container's place, for messages.
type Ports = HostPorts<usize>;

pub(super) fn check(spec: &StackSpec, problems: &mut Problems) {
    let mut hosts: BTreeMap<Option<&AgentId>, (Ports, BTreeMap<&str, usize>)> = BTreeMap::new();
    for (index, container) in spec.containers.iter().enumerate() {
        let host = spec.host_of(container);
        numbers(container, index, problems);
        if spec.strategy == PlacementStrategy::Spread && host.is_none() {
            ports(spec, index, &mut Ports::default(), problems);
            continue;
        }
        let (taken, names) = hosts.entry(host).or_default();
        ports(spec, index, taken, problems);
        replicas(container, index, problems);
        if let Some(name) = &container.container_name
            && let Some(first) = names.insert(name, index)
        {
            let message = format!("container {} has that name on the same host", spec.containers[first].name);
            problems.add(format!("containers[{index}].containerName"), message);
        }
    }
}

fn numbers(container: &ContainerSpec, index: usize, problems: &mut Problems) {
    for (place, port) in container.ports.iter().enumerate() {
        let here = format!("containers[{index}].ports[{place}]");
        if port.container_port == 0 {
            problems.add(format!("{here}.containerPort"), "a port is 1 to 65535");
        }
        if port.host_port == Some(0) {
            problems.add(format!("{here}.hostPort"), "a port is 1 to 65535: leave it out to let the engine choose");
        }
    }
}

/// Takes the ports of a container on its host; what is taken already is a problem.
fn ports(spec: &StackSpec, index: usize, taken: &mut Ports, problems: &mut Problems) {
    for (place, port) in spec.containers[index].ports.iter().enumerate() {
        let Some(number) = port.host_port else { continue };
        if let Some(&first) = taken.owner(port) {
            let message = if first == index {
                format!("host port {number}/{} is given twice", port.protocol)
            } else {
                let other = &spec.containers[first].name;
                format!("host port {number}/{} is taken by container {other} on the same host", port.protocol)
            };
            problems.add(format!("containers[{index}].ports[{place}]"), message);
        }
        taken.take(port, index);
    }
}

fn replicas(container: &ContainerSpec, index: usize, problems: &mut Problems) {
    let fixed = container.ports.iter().find_map(|port| port.host_port.map(|number| (number, port.protocol)));
    if let Some((number, protocol)) = fixed
        && container.replicas > 1
    {
        let message = format!(
            "{} replicas of {} on one host cannot all have host port {number}/{protocol}: leave hostPort out, or \
             spread them over hosts",
            container.replicas, container.name
        );
        problems.add(format!("containers[{index}].replicas"), message);
    }
}
