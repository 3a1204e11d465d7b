//! Why a host does not fit, and what it means for an instance when none does.

use serde::{Deserialize, Serialize};

use super::HostView;
use crate::id::{AgentId, ContainerName, Slot};
use crate::stack::{ContainerSpec, HostState, StackSpec};

/// An instance that can go nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The container spec.
    pub container: ContainerName,
    /// The replica.
    pub slot: Slot,
    /// Why not, host by host.
    pub hosts: Vec<HostRefusal>,
    /// All of it in a sentence.
    pub message: String,
}

/// Why one host does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostRefusal {
    /// The host.
    pub agent: AgentId,
    /// Why not.
    pub reason: String,
}

impl Refusal {
    /// No host fits.
    pub(super) fn nowhere(container: &ContainerName, slot: Slot, hosts: Vec<HostRefusal>) -> Self {
        let message = if hosts.is_empty() {
            format!("no host for {container}/{slot}: no host is known. Start an agent first")
        } else {
            let reasons: Vec<_> = hosts.iter().map(|host| format!("{} {}", host.agent, host.reason)).collect();
            format!("no host for {container}/{slot}: {}", reasons.join("; "))
        };
        Self { container: container.clone(), slot, hosts, message }
    }

    /// The one host that it must be on does not fit.
    pub(super) fn on(container: &ContainerName, slot: Slot, agent: &AgentId, reason: String) -> Self {
        let message = format!("{container}/{slot} cannot be on host {agent}: it {reason}");
        let hosts = vec![HostRefusal { agent: agent.clone(), reason }];
        Self { container: container.clone(), slot, hosts, message }
    }

    /// It says where to go in a way that leads nowhere.
    pub(super) fn because(container: &ContainerName, slot: Slot, message: String) -> Self {
        Self { container: container.clone(), slot, hosts: Vec::new(), message }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a container cannot be on a host whatever else is placed there; none when it can. Reads after the host's name.
pub(super) fn misfit(spec: &StackSpec, container: &ContainerSpec, host: &HostView) -> Option<String> {
    if !spec.host_constraints.is_empty() && !spec.host_constraints.contains(&host.id) {
        return Some("is not among the stack's host constraints".into());
    }
    requirement(container, host)
}

/// Why nothing new is placed on a host of the placement's own choice.
pub(super) fn not_open(host: &HostView) -> Option<String> {
    if host.state != HostState::Ready {
        return Some(format!("is {}", host.state));
    }
    cordon(host)
}

/// Why nothing new is placed on a host, even by name.
pub(super) fn cordon(host: &HostView) -> Option<String> {
    host.cordoned.then(|| "is cordoned: uncordon it first".into())
}

/// Why a wanted port is not free on a host.
pub(super) fn held_port(container: &ContainerSpec, host: &HostView) -> Option<String> {
    let (port, held) = host.conflict(container)?;
    Some(format!("has host port {}/{} held by {}", held.port.host_port, port.protocol, held.holder))
}

fn requirement(container: &ContainerSpec, host: &HostView) -> Option<String> {
    let required = &container.requirements;
    for (name, value) in &required.required_labels {
        match &host.labels {
            None => return Some(format!("has not reported labels, and {name}={value} is required")),
            Some(labels) if labels.get(name) != Some(value) => return Some(format!("lacks the label {name}={value}")),
            Some(_) => {}
        }
    }
    let reserved = &container.resources.reservations;
    let cpu = required.minimum.cpu_millis.max(reserved.cpu_millis);
    let memory = required.minimum.memory_bytes.max(reserved.memory_bytes);
    if cpu.is_none() && memory.is_none() {
        return None;
    }
    let Some(capacity) = host.capacity else {
        return Some("has not reported its capacity, and a minimum is required".into());
    };
    if let Some(cpu) = cpu.filter(|cpu| *cpu > capacity.cpu_millis) {
        return Some(format!("has {} of the {} CPU cores required", cores(capacity.cpu_millis), cores(cpu)));
    }
    let memory = memory.filter(|memory| *memory > capacity.memory_bytes)?;
    Some(format!("has {} of the {} MiB of memory required", mebibytes(capacity.memory_bytes), mebibytes(memory)))
}

fn cores(millis: u64) -> String {
    let (whole, part) = (millis / 1000, millis % 1000);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:03}").trim_end_matches('0').to_owned() }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}
