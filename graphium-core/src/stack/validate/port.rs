//! Host ports and explicit names: no two of them may meet on one host.

use std::collections::BTreeMap;

use super::Problems;
use crate::id::AgentId;
use crate::stack::{ContainerSpec, PlacementStrategy, PortSpec, PublishedPort, StackSpec};

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

pub(super) fn check(spec: &StackSpec, problems: &mut Problems) {
    let mut by_host: BTreeMap<Option<&AgentId>, Vec<usize>> = BTreeMap::new();
    for (index, container) in spec.containers.iter().enumerate() {
        inside(container, &format!("containers[{index}]"), problems);
        let host = spec.host_of(container);
        let scattered = spec.strategy == PlacementStrategy::Spread && host.is_none();
        if !scattered {
            by_host.entry(host).or_default().push(index);
            replicas(container, index, problems);
        }
    }
    for together in by_host.values() {
        for (place, &index) in together.iter().enumerate() {
            for &earlier in &together[..place] {
                pair(spec, earlier, index, problems);
            }
        }
    }
}

/// One container against itself.
fn inside(container: &ContainerSpec, path: &str, problems: &mut Problems) {
    for (index, port) in container.ports.iter().enumerate() {
        let here = format!("{path}.ports[{index}]");
        if port.container_port == 0 {
            problems.add(format!("{here}.containerPort"), "a port is 1 to 65535");
        }
        if port.host_port == Some(0) {
            problems.add(format!("{here}.hostPort"), "a port is 1 to 65535: leave it out to let the engine choose");
        }
        if container.ports[..index].iter().any(|earlier| port.clashes_with(earlier)) {
            let number = port.host_port.unwrap_or_default();
            problems.add(&here, format!("host port {number}/{} is given twice", port.protocol));
        }
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

fn pair(spec: &StackSpec, earlier: usize, later: usize, problems: &mut Problems) {
    let (first, second) = (&spec.containers[earlier], &spec.containers[later]);
    for (place, port) in second.ports.iter().enumerate() {
        if first.ports.iter().any(|other| port.clashes_with(other)) {
            let number = port.host_port.unwrap_or_default();
            let message =
                format!("host port {number}/{} is taken by container {} on the same host", port.protocol, first.name);
            problems.add(format!("containers[{later}].ports[{place}]"), message);
        }
    }
    if second.container_name.is_some() && first.container_name == second.container_name {
        let message = format!("container {} has that name on the same host", first.name);
        problems.add(format!("containers[{later}].containerName"), message);
    }
}
