//! What a server says of itself.

use graphium_core::clock::Timestamp;
use graphium_core::store::Restored;
use serde::{Deserialize, Serialize};

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Whether the store answers and the server is not stopping.
    pub ready: bool,
    /// That the store was restored from a backup and nobody has confirmed that yet. The server is ready all the same: agents
    /// must reach it, so that they can say what runs. Missing also while the store is too busy to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldView>,
}

/// Why a server that is ready neither gives nor takes work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeldView {
    /// When the backup was opened as a store.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
    /// Until when the backup knows what happened.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub backup_at: Timestamp,
    /// What to do.
    pub advice: String,
}

impl From<Restored> for HeldView {
    fn from(restored: Restored) -> Self {
        Self {
            since: restored.restored_at,
            backup_at: restored.backup_at,
            advice: "the store was restored from a backup: see what differs on the hosts with `graphium store status`, then let \
                     it go on with `graphium store confirm --yes`"
                .into(),
        }
    }
}
