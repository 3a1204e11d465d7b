//! The built-in task types, mapped to a deployer.
use super::{Execution, Executor};
use crate::deploy::{Deployer, StepContext};
use crate::task::Task;
use async_trait::async_trait;
use std::sync::Arc;

/// Runs the built-in task types with a deployer.
#[derive(Debug)]
pub struct DeployExecutor {
    deployer: Arc<dyn Deployer>,
}

impl DeployExecutor {
    /// Over this deployer.
    #[must_use]
    pub fn new(deployer: Arc<dyn Deployer>) -> Self {
        Self { deployer }
    }
}
#[async_trait]
impl Executor for DeployExecutor {
    async fn execute(&self, _task: &Task, _context: &StepContext) -> Execution {
        let _ = &self.deployer;
        todo!()
    }
}
