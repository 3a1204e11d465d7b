//! Calls about the store.

use super::builder::Client;
use super::error::ClientError;
use crate::wire::RestoreView;

/// Each fails with a [`ClientError`] when the server is not reached or refuses.
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Whether the store is held after a restore from a backup, and how it differs from the hosts.
    pub async fn restore(&self) -> Result<RestoreView, ClientError> {
        self.get(&["store", "restore"], &()).await
    }

    /// Lets a held store go on. The same call again changes nothing.
    pub async fn confirm_restore(&self) -> Result<RestoreView, ClientError> {
        self.post(&["store", "restore", "confirm"], &serde_json::json!({})).await
    }
}
