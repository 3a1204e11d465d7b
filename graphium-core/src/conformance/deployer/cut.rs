//! A runtime that stops answering after so many calls, as for a caller that crashed there.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::deploy::{
    ContainerConfig, ContainerFilter, DeployError, ImageInfo, Inspection, LogLine, NetworkConfig, NetworkInfo, Runtime,
    RuntimeContainer, StepContext, VolumeInfo,
};
use crate::stack::{EngineInfo, ResourceLimits, RestartPolicy};

/// On which side of the last call the caller crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call is never made.
    Before,
    /// The call is made, and its answer is never heard.
    After,
}

/// Lets so many calls pass, and is silent from then on.
#[derive(Debug)]
pub struct Cut {
    inner: Arc<dyn Runtime>,
    left: AtomicUsize,
    moment: Moment,
    reached: Notify,
}

impl Cut {
    /// Cuts at the call after the first `calls`.
    #[must_use]
    pub fn after(calls: usize, moment: Moment, inner: Arc<dyn Runtime>) -> Self {
        Self { inner, left: AtomicUsize::new(calls), moment, reached: Notify::new() }
    }

    /// Runs work over this runtime until it ends or is cut off; dropping it then is the crash. Answers with its result,
    /// or none when it was cut off.
    pub async fn crash<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.reached.notified() => None,
            done = work => Some(done),
        }
    }

    async fn pass<T>(&self, call: impl Future<Output = T> + Send) -> T {
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if before.is_ok() {
            return call.await;
        }
        if self.moment == Moment::After {
            drop(call.await);
        }
        self.reached.notify_one();
        pending().await
    }
}

#[async_trait]
impl Runtime for Cut {
    async fn engine(&self) -> Result<EngineInfo, DeployError> {
        self.pass(self.inner.engine()).await
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, DeployError> {
        self.pass(self.inner.image(reference)).await
    }

    async fn pull(&self, reference: &str, context: &StepContext) -> Result<(), DeployError> {
        self.pass(self.inner.pull(reference, context)).await
    }

    async fn create(&self, config: &ContainerConfig) -> Result<String, DeployError> {
        self.pass(self.inner.create(config)).await
    }

    async fn start(&self, id: &str) -> Result<(), DeployError> {
        self.pass(self.inner.start(id)).await
    }

    async fn stop(&self, id: &str, timeout: Option<u32>) -> Result<(), DeployError> {
        self.pass(self.inner.stop(id, timeout)).await
    }

    async fn remove(&self, id: &str, force: bool, volumes: bool) -> Result<(), DeployError> {
        self.pass(self.inner.remove(id, force, volumes)).await
    }

    async fn update(
        &self,
        id: &str,
        restart: Option<RestartPolicy>,
        limits: Option<ResourceLimits>,
    ) -> Result<(), DeployError> {
        self.pass(self.inner.update(id, restart, limits)).await
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), DeployError> {
        self.pass(self.inner.rename(id, name)).await
    }

    async fn inspect(&self, id_or_name: &str) -> Result<Option<Inspection>, DeployError> {
        self.pass(self.inner.inspect(id_or_name)).await
    }

    async fn list(&self, filter: &ContainerFilter) -> Result<Vec<RuntimeContainer>, DeployError> {
        self.pass(self.inner.list(filter)).await
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<LogLine>, DeployError> {
        self.pass(self.inner.logs(id, lines)).await
    }

    async fn create_network(&self, config: &NetworkConfig) -> Result<String, DeployError> {
        self.pass(self.inner.create_network(config)).await
    }

    async fn networks(&self, labels: &BTreeMap<String, String>) -> Result<Vec<NetworkInfo>, DeployError> {
        self.pass(self.inner.networks(labels)).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), DeployError> {
        self.pass(self.inner.remove_network(id)).await
    }

    async fn create_volume(
        &self,
        name: &str,
        driver: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<VolumeInfo, DeployError> {
        self.pass(self.inner.create_volume(name, driver, labels)).await
    }

    async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeInfo>, DeployError> {
        self.pass(self.inner.volumes(labels)).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), DeployError> {
        self.pass(self.inner.remove_volume(name)).await
    }

    async fn changed(&self, labels: &BTreeMap<String, String>) {
        self.inner.changed(labels).await;
    }
}
