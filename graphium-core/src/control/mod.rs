//! The control plane: accepts stacks, drives their rollouts, and says how they are.
//!
//! It holds no state of its own. A stack and its deployments are records of the store, committed together with
//! their tasks; what comes next is decided by the pure [`plan::next`](crate::plan::next) and committed by
//! compare-and-set. So any number of control planes may run over one store, and any of them may die at any moment.

mod act;
mod apply;
mod drive;
mod error;
mod record;
mod restore;
mod view;
mod world;

#[cfg(test)]
mod tests;

pub use apply::{ApplyOptions, KEPT_DEPLOYMENTS, StackPlan};
pub use error::{ControlError, ControlErrorKind};
pub use restore::{Difference, differences};
pub use view::{HostInstances, StackSummary, StackView, Waiting};

use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::store::TaskStore;

/// The control plane over a store. Cheap to clone; the clones are one.
///
/// [`run`](Self::run) must run somewhere, or what is accepted stays where it is.
#[derive(Debug, Clone)]
pub struct Control {
    store: Arc<dyn TaskStore>,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
}

impl Control {
    /// A control plane over this store.
    #[must_use]
    pub fn new(store: Arc<dyn TaskStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, wake: Arc::new(Notify::new()) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn TaskStore> {
        &self.store
    }
}
