//! The process beside a container engine: it asks for work, does it and reports.
//!
//! An [`Agent`] needs three things: an [`AgentStore`] to talk to, an [`ExecutorRegistry`] that does the work, and, where
//! there is an engine, a [`Deployer`] that tells what runs on it. It cannot tell a store in the same process from
//! one behind HTTP, and it reads no wall clock: leases and deadlines are durations, measured here.
//!
//! Inside, the `poller` owns all state and makes the one loop call; each attempt is a `worker` of its own, so that a
//! panic or a hang stays there; `inventory` looks at the engine beside them.
//!
//! Executors are asynchronous. One that blocks its thread delays the renewal of the lease on a single-threaded
//! runtime: give such work to [`tokio::task::spawn_blocking`].

mod backoff;
mod config;
mod error;
mod inventory;
mod lease;
mod poller;
mod reporter;
mod roster;
mod session;
mod worker;

#[cfg(test)]
mod tests;

pub use config::{AgentConfig, DEFAULT_SLOTS, InvalidConfig};
pub use error::AgentError;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::deploy::Deployer;
use crate::execute::ExecutorRegistry;
use crate::id::SessionId;
use crate::store::AgentStore;
use inventory::{Engine, Inventory, Look};
use poller::Poller;

/// One agent, before it runs.
#[derive(Debug)]
pub struct Agent {
    config: AgentConfig,
    store: Arc<dyn AgentStore>,
    executors: ExecutorRegistry,
    deployer: Option<Arc<dyn Deployer>>,
}

impl Agent {
    /// An agent that takes its work from `store`. With a deployer it reports what runs on the engine, and takes work
    /// only while the engine answers; without one it runs custom executors alone.
    ///
    /// # Errors
    /// [`InvalidConfig`] naming the setting and its limit.
    pub fn new(
        config: AgentConfig,
        store: Arc<dyn AgentStore>,
        executors: ExecutorRegistry,
        deployer: Option<Arc<dyn Deployer>>,
    ) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config, store, executors, deployer })
    }

    /// Works until `shutdown` is cancelled, then ends gracefully: takes nothing more, lets running work finish within
    /// [`AgentConfig::stop_grace`], hands back what does not, and delivers its last reports.
    ///
    /// # Cancel safety
    /// Dropping the future stops everything at once: the store notices when the session ends, or when the next
    /// life of this agent takes over.
    ///
    /// # Errors
    /// [`AgentError::Refused`] when the store refuses the very first call for good, [`AgentError::TakenOver`] when another
    /// process took over. Whatever may pass is waited for, without end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AgentError> {
        let session = SessionId::generate();
        let Some(begun) = session::begin(&self.config, &*self.store, session, &shutdown).await? else {
            return Ok(());
        };
        let look = Arc::new(Look::new(begun.attempts_ended));
        let (engine, engine_seen) = watch::channel(if self.deployer.is_some() { Engine::Unseen } else { Engine::None });
        let inventory = self.deployer.map(|deployer| {
            Inventory::new(&self.config, session, Arc::clone(&self.store), deployer, Arc::clone(&look), engine)
        });
        let poller = Poller::new(self.config, session, begun, self.store, self.executors, engine_seen, look, shutdown);
        match inventory {
            Some(inventory) => {
                tokio::select! {
                    biased;
                    end = poller.run() => end,
                    never = inventory.run() => match never {},
                }
            }
            None => poller.run().await,
        }
    }
}
