//! What a server says of itself.

use serde::{Deserialize, Serialize};

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Whether the store answers and the server takes work.
    pub ready: bool,
}
