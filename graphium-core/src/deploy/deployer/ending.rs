//! Ending containers, one at a time within a stack.
//!
//! An engine counts the endpoints of each network, and Docker (seen with 20.10) can lose count when several containers
//! on a network end at the same moment: the network then has "active endpoints" without any, and cannot be removed
//! until the engine restarts. So endings on a network begin one after the other.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;

use super::EngineDeployer;
use crate::deploy::{DeployError, RuntimeContainer, label};
use crate::id::StackName;

/// How long the next ending waits for one that takes its time: containers that ignore a stop end far apart as well.
const HEAD_START: Duration = Duration::from_secs(1);
/// The key of containers without a stack.
const NO_STACK: &str = "-";

/// Which containers may share a network, and so end one at a time.
pub(super) fn network_key(stack: Option<&StackName>) -> &str {
    stack.map_or(NO_STACK, StackName::as_str)
}

fn key_of(container: &RuntimeContainer) -> &str {
    container.labels.get(label::STACK).map_or(NO_STACK, String::as_str)
}

impl EngineDeployer {
    /// Stops a container.
    pub(super) async fn halt(&self, container: &RuntimeContainer, timeout: Option<u32>) -> Result<(), DeployError> {
        let stop = self.runtime.stop(&container.id, timeout);
        self.in_turn(key_of(container), stop).await.map_err(|error| error.in_step("stop"))
    }

    /// Removes a container, whether it runs or not.
    pub(super) async fn discard(&self, container: &RuntimeContainer, volumes: bool) -> Result<(), DeployError> {
        let remove = self.runtime.remove(&container.id, true, volumes);
        self.in_turn(key_of(container), remove).await.map_err(|error| error.in_step("remove"))
    }

    /// Ends a container of this key when those before it have, or have had their start.
    pub(super) async fn in_turn<T>(&self, key: &str, ending: impl Future<Output = T> + Send) -> T {
        let turn = self.endings.hold(key).await;
        let mut ending = pin!(ending);
        tokio::select! {
            biased;
            ended = &mut ending => return ended,
            () = sleep(HEAD_START) => drop(turn),
        }
        ending.await
    }
}
