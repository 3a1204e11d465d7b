//! Bodies of `/store`.

use graphium_core::control::Difference;
use graphium_core::store::{Restored, StoreStatus};
use serde::{Deserialize, Serialize};

/// Whether the store is held after a restore from a backup, and how it differs from the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RestoreView {
    /// Whether work is neither given nor taken until somebody confirms the restore.
    pub held: bool,
    /// How often the store was restored from a backup.
    pub epoch: u64,
    /// The restore that nobody has confirmed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// What the store and the hosts do not agree about, each with what to do.
    pub differences: Vec<DifferenceView>,
}

/// A difference, for programs and in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DifferenceView {
    /// What differs.
    #[serde(flatten)]
    pub difference: Difference,
    /// The same in words, with what to do.
    pub detail: String,
}

impl RestoreView {
    /// The view of a store whose status is this, with these differences.
    #[must_use]
    pub fn new(status: &StoreStatus, differences: Vec<Difference>) -> Self {
        let explained = |difference: Difference| DifferenceView { detail: difference.to_string(), difference };
        Self {
            held: status.restored.is_some(),
            epoch: status.epoch,
            restored: status.restored,
            differences: differences.into_iter().map(explained).collect(),
        }
    }
}
