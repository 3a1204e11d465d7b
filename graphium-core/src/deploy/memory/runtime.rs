//! The engine's primitives over the state in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};

use super::engine::{EngineCall, no_such_container};
use super::{MemoryRuntime, engine::MemoryEngine};
use crate::deploy::{
    ContainerConfig, ContainerFilter, DeployError, DeployErrorKind, ImageInfo, Inspection, LogLine, NetworkConfig,
    NetworkInfo, Runtime, RuntimeContainer, StepContext, VolumeInfo,
};
use crate::stack::{Capacity, EngineInfo, ResourceLimits, RestartPolicy};

/// What the memory engine says its machine has.
const CAPACITY: Capacity = Capacity { cpu_millis: 8_000, memory_bytes: 16 << 30 };

impl MemoryRuntime {
    /// Reads or changes the state in one call of the engine.
    async fn call<T>(
        &self,
        call: EngineCall,
        work: impl FnOnce(&mut MemoryEngine, Instant) -> Result<T, DeployError> + Send,
    ) -> Result<T, DeployError> {
        // A real engine is never quicker than one turn of the scheduler: others get theirs.
        tokio::task::yield_now().await;
        let now = Instant::now();
        let mut engine = self.engine();
        engine.enter(call, now)?;
        work(&mut engine, now)
    }

    /// Changes the state in one call of the engine, and wakes whoever watches.
    async fn change<T>(
        &self,
        call: EngineCall,
        work: impl FnOnce(&mut MemoryEngine, Instant) -> Result<T, DeployError> + Send,
    ) -> Result<T, DeployError> {
        let done = self.call(call, work).await?;
        self.changed_now();
        Ok(done)
    }
}

#[async_trait]
impl Runtime for MemoryRuntime {
    async fn engine(&self) -> Result<EngineInfo, DeployError> {
        let info = EngineInfo {
            name: "memory".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            api_version: String::new(),
            os: std::env::consts::OS.into(),
            architecture: std::env::consts::ARCH.into(),
            capacity: CAPACITY,
        };
        self.call(EngineCall::Engine, |_, _| Ok(info)).await
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, DeployError> {
        self.call(EngineCall::Image, |engine, _| Ok(engine.image(reference))).await
    }

    async fn pull(&self, reference: &str, _context: &StepContext) -> Result<(), DeployError> {
        let image = self.call(EngineCall::Pull, |engine, _| Ok(engine.published(reference))).await?;
        sleep(image.pull_time).await;
        if image.missing {
            let message = format!("the registry has no image {reference}");
            return Err(DeployError::new(DeployErrorKind::ImageNotFound, message));
        }
        self.engine().fetch(reference);
        Ok(())
    }

    async fn create(&self, config: &ContainerConfig) -> Result<String, DeployError> {
        self.change(EngineCall::Create, |engine, _| engine.create(config)).await
    }

    async fn start(&self, id: &str) -> Result<(), DeployError> {
        self.change(EngineCall::Start, |engine, now| engine.start(id, now)).await
    }

    async fn stop(&self, id: &str, timeout: Option<u32>) -> Result<(), DeployError> {
        let time = self
            .call(EngineCall::Stop, |engine, _| {
                Ok(engine.find(id).filter(|c| c.is_running()).map(|c| c.stopping_time(timeout)))
            })
            .await?;
        sleep(time.unwrap_or_default()).await;
        if let Some(container) = self.engine().find_mut(id) {
            container.halt(timeout);
        }
        self.changed_now();
        Ok(())
    }

    async fn remove(&self, id: &str, force: bool, _volumes: bool) -> Result<(), DeployError> {
        self.change(EngineCall::Remove, |engine, _| {
            let Some(container) = engine.find(id) else {
                return Ok(());
            };
            if container.is_up() && !force {
                let message = format!("container {} is running: stop it first", container.config.name);
                return Err(DeployError::new(DeployErrorKind::InUse, message));
            }
            let id = container.id.clone();
            engine.containers.remove(&id);
            Ok(())
        })
        .await
    }

    async fn update(
        &self,
        id: &str,
        restart: Option<RestartPolicy>,
        limits: Option<ResourceLimits>,
    ) -> Result<(), DeployError> {
        self.change(EngineCall::Update, |engine, _| {
            let container = engine.find_mut(id).ok_or_else(|| no_such_container(id))?;
            if let Some(policy) = restart {
                container.config.restart_policy = policy;
            }
            if let Some(limits) = limits {
                let config = &mut container.config.limits;
                config.cpu_millis = limits.cpu_millis.or(config.cpu_millis);
                config.memory_bytes = limits.memory_bytes.or(config.memory_bytes);
            }
            Ok(())
        })
        .await
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), DeployError> {
        self.change(EngineCall::Rename, |engine, _| engine.rename(id, name)).await
    }

    async fn inspect(&self, id_or_name: &str) -> Result<Option<Inspection>, DeployError> {
        self.call(EngineCall::Inspect, |engine, now| Ok(engine.find(id_or_name).map(|c| c.inspection(now)))).await
    }

    async fn list(&self, filter: &ContainerFilter) -> Result<Vec<RuntimeContainer>, DeployError> {
        self.call(EngineCall::List, |engine, now| {
            let all = engine.containers.values().filter(|c| has_all(&c.config.labels, &filter.labels));
            Ok(all.map(|container| container.summary(now)).collect())
        })
        .await
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<LogLine>, DeployError> {
        self.call(EngineCall::Logs, |engine, _| {
            let all = &engine.find(id).ok_or_else(|| no_such_container(id))?.lines;
            Ok(all[all.len().saturating_sub(lines)..].to_vec())
        })
        .await
    }

    async fn create_network(&self, config: &NetworkConfig) -> Result<String, DeployError> {
        self.change(EngineCall::CreateNetwork, |engine, _| engine.create_network(config)).await
    }

    async fn networks(&self, labels: &BTreeMap<String, String>) -> Result<Vec<NetworkInfo>, DeployError> {
        self.call(EngineCall::Networks, |engine, _| {
            Ok(engine.networks.values().filter(|network| has_all(&network.labels, labels)).cloned().collect())
        })
        .await
    }

    async fn remove_network(&self, id: &str) -> Result<(), DeployError> {
        self.change(EngineCall::RemoveNetwork, |engine, _| engine.remove_network(id)).await
    }

    async fn create_volume(
        &self,
        name: &str,
        _driver: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<VolumeInfo, DeployError> {
        self.change(EngineCall::CreateVolume, |engine, _| {
            let fresh = || VolumeInfo { name: name.to_owned(), labels: labels.clone() };
            Ok(engine.volumes.entry(name.to_owned()).or_insert_with(fresh).clone())
        })
        .await
    }

    async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeInfo>, DeployError> {
        self.call(EngineCall::Volumes, |engine, _| {
            Ok(engine.volumes.values().filter(|volume| has_all(&volume.labels, labels)).cloned().collect())
        })
        .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), DeployError> {
        self.change(EngineCall::RemoveVolume, |engine, _| engine.remove_volume(name)).await
    }

    async fn changed(&self, labels: &BTreeMap<String, String>) {
        let mut versions = self.version.subscribe();
        loop {
            let now = Instant::now();
            let next = {
                let mut engine = self.engine();
                if engine.catch_up(now) {
                    self.changed_now();
                }
                let version = *versions.borrow_and_update();
                if engine.heard.insert(labels.clone(), version) != Some(version) {
                    return;
                }
                engine.containers.values().filter_map(|container| container.next_news(now)).min()
            };
            let in_time = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = versions.changed() => if changed.is_err() { return },
                () = in_time => self.changed_now(),
            }
        }
    }
}

fn has_all(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}
