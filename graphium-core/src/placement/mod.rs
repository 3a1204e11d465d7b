//! Pure: which instance goes on which host, and why not on the others.

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, ContainerName, Slot};
use crate::stack::{Capacity, HostState, Protocol};

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

/// A host as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// The host.
    pub id: AgentId,
    /// Whether it answers.
    pub state: HostState,
    /// What it has, where that is known.
    pub capacity: Option<Capacity>,
    /// Host ports that others hold.
    pub held_ports: Vec<HeldPort>,
    /// How many instances it has.
    pub instances: usize,
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
