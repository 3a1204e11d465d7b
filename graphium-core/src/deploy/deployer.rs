//! Stub.
use super::{HostIdentity, Runtime};
use std::sync::Arc;
/// The deployer over a runtime.
#[derive(Debug)]
pub struct EngineDeployer {
    #[expect(dead_code)]
    runtime: Arc<dyn Runtime>,
    #[expect(dead_code)]
    owner: HostIdentity,
}
impl EngineDeployer {
    /// The deployer of one host over a runtime.
    #[must_use]
    pub fn new(runtime: Arc<dyn Runtime>, owner: HostIdentity) -> Self {
        Self { runtime, owner }
    }
}
