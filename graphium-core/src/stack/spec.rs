//! A stack as wanted: the one form that every way in is turned into.

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, NetworkSpec};
use crate::id::{AgentId, ContainerName, StackName};

/// The most container specs that one stack may have.
pub const MAX_CONTAINERS: usize = 500;

/// A named set of containers that are deployed together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StackSpec {
    /// Its name.
    pub name: StackName,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A remark on how it is deployed, kept for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How instances find their hosts.
    #[serde(default)]
    pub strategy: PlacementStrategy,
    /// Hosts it may use; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_constraints: Vec<AgentId>,
    /// The host of every container that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<AgentId>,
    /// Its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// Its containers.
    pub containers: Vec<ContainerSpec>,
}

impl StackSpec {
    /// The host that a container of this stack must be on: its own, else the stack's.
    #[must_use]
    pub fn host_of<'s>(&'s self, container: &'s ContainerSpec) -> Option<&'s AgentId> {
        container.host.as_ref().or(self.host.as_ref())
    }

    /// The container of this name.
    #[must_use]
    pub fn container(&self, name: &ContainerName) -> Option<&ContainerSpec> {
        self.containers.iter().find(|container| container.name == *name)
    }
}

/// How instances find their hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PlacementStrategy {
    /// Where a container or the stack names a host, that one; the rest together on one host. What a definition
    /// without a `deployment` section gets.
    #[default]
    Together,
    /// Every container, or the stack, names its host.
    Manual,
    /// Evenly over the hosts that may be used.
    Spread,
}
