//! An instance in a list over all hosts.

use graphium_core::clock::Timestamp;
use graphium_core::id::AgentId;
use graphium_core::stack::Instance;
use graphium_core::store::HostState;
use serde::{Deserialize, Serialize};

/// An instance with its host. How current it is follows from the host's state and the time of the observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// The host.
    pub host_id: AgentId,
    /// Whether that host answers.
    pub host_state: HostState,
    /// When the host reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub observed_at: Option<Timestamp>,
    /// The instance as reported.
    #[serde(flatten)]
    pub instance: Instance,
}
