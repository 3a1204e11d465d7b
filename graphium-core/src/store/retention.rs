//! How long a store keeps what is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many settled tasks, attempts and events one pruning removes together, so that its commit is short.
pub const PRUNE_BATCH: usize = 500;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long history is kept. None keeps it for ever.
///
/// What is needed is kept, however old: what is not settled, what another task depends on, the tasks of the newest generation
/// of a stack, and the newest task and event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Settled tasks, from when they settled, and with them their attempts and their idempotency keys.
    pub tasks: Option<Duration>,
    /// The attempts of settled tasks, from when the task settled. They never outlive it.
    pub attempts: Option<Duration>,
    /// Events, from when they happened.
    pub events: Option<Duration>,
}

impl Default for Retention {
    /// Tasks and attempts for 30 days, events for 90.
    fn default() -> Self {
        Self { tasks: Some(DAY * 30), attempts: Some(DAY * 30), events: Some(DAY * 90) }
    }
}

/// What one pruning removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pruned {
    /// Settled tasks.
    pub tasks: usize,
    /// Tasks that stay, whose attempts were removed.
    pub attempts: usize,
    /// Events.
    pub events: usize,
    /// Whether there may be more that is old enough: ask again.
    pub more: bool,
}
