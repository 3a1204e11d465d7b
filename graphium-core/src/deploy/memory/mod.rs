//! An engine in memory: for tests, simulations, and a first look without Docker.
//!
//! It behaves as Docker does where a deployer can tell: unique container names, host ports that one running container
//! holds, networks whose ranges may not overlap, restart policies, health checks. What a container does is a script
//! of its [`MemoryImage`]; time is tokio's, so a paused test moves it.

mod container;
mod engine;
mod image;
mod runtime;

pub use engine::EngineCall;
pub use image::MemoryImage;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::DeployErrorKind;
use engine::MemoryEngine;

/// An engine in memory. A clone is a handle on the same engine.
///
/// Every image can be pulled and is a server that keeps running, unless [`publish`](Self::publish) says otherwise.
///
/// # Example
/// ```
/// use graphium_core::deploy::{MemoryImage, MemoryRuntime};
///
/// let engine = MemoryRuntime::new();
/// engine.publish("no-such-image:1", MemoryImage::missing());
/// ```
#[derive(Debug, Clone)]
pub struct MemoryRuntime {
    engine: Arc<Mutex<MemoryEngine>>,
    version: watch::Sender<u64>,
}

impl Default for MemoryRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRuntime {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self { engine: Arc::default(), version: watch::Sender::new(1) }
    }

    /// Puts an image into the registry that this engine pulls from. The same reference again is a newer image with
    /// another id, as when a tag moves; the host keeps the old one until it pulls.
    pub fn publish(&self, reference: &str, image: MemoryImage) {
        self.engine().publish(reference, image);
    }

    /// Brings an image to the host without a pull.
    pub fn load(&self, reference: &str, image: MemoryImage) {
        let mut engine = self.engine();
        engine.publish(reference, image);
        engine.fetch(reference);
    }

    /// Lets the next call of this sort fail with an error of this kind. Several wait in line.
    pub fn fail_next(&self, call: EngineCall, kind: DeployErrorKind) {
        self.engine().faults.push((call, kind));
    }

    /// Makes the engine answer, or every call fail as if it did not run.
    pub fn set_available(&self, available: bool) {
        self.engine().unavailable = !available;
    }

    /// Lets a process outside the engine hold a host port.
    pub fn occupy_port(&self, port: u16) {
        self.engine().occupied_ports.insert(port);
    }

    /// Lets the main process of a running container end with this code: the restart policy decides what is next.
    /// Answers whether there was one.
    pub fn end_process(&self, name: &str, exit_code: i64) -> bool {
        let ended = self.engine().end_process(name, exit_code);
        self.changed_now();
        ended
    }

    /// How many calls the engine has been asked for.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.engine().calls
    }

    /// What a browser that asks a host port would see: the name of the running container behind it and its environment,
    /// a line for each variable. None where nothing answers.
    #[must_use]
    pub fn answer(&self, host_port: u16) -> Option<String> {
        self.engine().answer(host_port, Instant::now())
    }

    fn engine(&self) -> MutexGuard<'_, MemoryEngine> {
        // A panic between two fields cannot happen: every change is made of infallible assignments.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed_now(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}
