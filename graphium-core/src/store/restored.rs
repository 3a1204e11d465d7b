//! What a store says of itself after it was restored from a backup.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Seq;

/// By how much at least the numbers of attempts and events jump at a restore, so that none is given twice that was given
/// after the backup was taken.
pub const RESTORE_STRIDE: u64 = 1_000_000;

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoreStatus {
    /// How often it was restored from a backup.
    pub epoch: u64,
    /// The restore that nobody has confirmed yet: until then the store gives out and takes no work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

/// A restore from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Until when the backup knows what happened.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub backup_at: Timestamp,
    /// When the backup was opened as a store.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub restored_at: Timestamp,
    /// The newest event of the backup.
    pub last_event: Seq,
}
