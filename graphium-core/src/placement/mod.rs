//! Pure: which instance goes on which host, and why not on the others.
//!
//! Nothing here awaits or reads a clock, and the same input gives the same answer in any order of the hosts.
//! What runs stays where it is: a placement moves nothing that may stay.

mod host;
mod refusal;
mod strategy;
mod tally;

pub use host::{HeldPort, HostView};
pub use refusal::{HostRefusal, Refusal};

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, ContainerName, Slot};
use crate::stack::{HostState, StackSpec};
use strategy::Placer;

/// One instance on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The container spec.
    pub container: ContainerName,
    /// The replica.
    pub slot: Slot,
    /// The host.
    pub agent: AgentId,
    /// Why there.
    pub reason: String,
}

/// Where the instances of a stack go, and which of them can go nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Placements {
    /// Instances with their hosts, in the order of the definition.
    pub placed: Vec<Placement>,
    /// Instances without one. A stack with a refusal is not deployed.
    pub refused: Vec<Refusal>,
    /// What is worth knowing and harmless.
    pub warnings: Vec<String>,
}

/// Finds a host for every instance of a stack.
///
/// - Where a container, or its stack, names a host, it goes there, whether that host answers or not: the task
///   waits for it. A host that nobody knows is refused.
/// - `spread` puts the rest evenly on the hosts that answer and fit, those first that have the fewest
///   instances of this stack.
/// - `together` puts the rest on one host: where the stack already is, else the emptiest that fits all of it.
///
/// A host fits when it is among the stack's constraints, is not cordoned, has what the container requires, and
/// nobody holds a host port there that it wants.
#[must_use]
pub fn place(spec: &StackSpec, hosts: &[HostView]) -> Placements {
    let mut hosts: Vec<&HostView> = hosts.iter().collect();
    hosts.sort_by(|a, b| a.id.cmp(&b.id));
    hosts.dedup_by(|a, b| a.id == b.id);
    let mut placer = Placer::new(spec, &hosts);
    placer.run();
    let mut answer = placer.finish();
    answer.warnings = warnings(spec, &hosts, &answer.placed);
    answer
}

fn warnings(spec: &StackSpec, hosts: &[&HostView], placed: &[Placement]) -> Vec<String> {
    let silent = hosts.iter().filter(|host| host.state != HostState::Ready);
    let mut warnings: Vec<String> = silent
        .filter(|host| placed.iter().any(|placement| placement.agent == host.id))
        .map(|host| format!("host {} is {}: its tasks wait until it answers", host.id, host.state))
        .collect();
    for host in &spec.host_constraints {
        if !hosts.iter().any(|known| known.id == *host) {
            warnings.push(format!("host {host} of the stack's host constraints is not known"));
        }
    }
    for container in &spec.containers {
        if let Some(datacenter) = &container.requirements.preferred_datacenter {
            let name = &container.name;
            warnings.push(format!("container {name} prefers datacenter {datacenter}: preferences do nothing yet"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
