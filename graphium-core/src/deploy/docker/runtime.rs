//! The engine's primitives, a call or two each.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, SystemVersion, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder, RenameContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use futures::StreamExt;

use super::error::{Doing, fault, silent, status};
use super::{CALL_PATIENCE, DockerRuntime, container, reading};
use crate::deploy::{
    ContainerConfig, ContainerFilter, DeployError, ImageInfo, Inspection, LogLine, NetworkConfig, NetworkInfo, Runtime,
    RuntimeContainer, StepContext, VolumeInfo,
};
use crate::stack::{Capacity, EngineInfo, ResourceLimits, RestartPolicy};

/// The most that a stop without a time of its own may take: the container's is not known here.
const LONGEST_STOP: Duration = Duration::from_secs(3600);
/// The most bytes of a container's output that are read at once.
const MAX_LOG_BYTES: usize = 4 << 20;
const CPU_MILLIS: i64 = 1000;

#[async_trait]
impl Runtime for DockerRuntime {
    async fn engine(&self) -> Result<EngineInfo, DeployError> {
        let version = self.call(Doing::Asking, "its version", self.docker.version()).await?;
        let info = self.call(Doing::Asking, "its capacity", self.docker.info()).await?;
        let amount = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        Ok(EngineInfo {
            name: engine_name(&version).to_owned(),
            version: version.version.unwrap_or_default(),
            api_version: self.docker.client_version().to_string(),
            os: version.os.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
            capacity: Capacity {
                cpu_millis: amount(info.ncpu.map(|cores| cores * CPU_MILLIS)),
                memory_bytes: amount(info.mem_total),
            },
        })
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, DeployError> {
        let object = format!("image {reference}");
        let found = self.if_there(Doing::Asking, &object, self.docker.inspect_image(reference)).await?;
        Ok(found.map(|image| ImageInfo {
            id: image.id.unwrap_or_default(),
            digests: image.repo_digests.unwrap_or_default(),
        }))
    }

    async fn pull(&self, reference: &str, context: &StepContext) -> Result<(), DeployError> {
        self.pull_image(reference, context).await
    }

    async fn create(&self, config: &ContainerConfig) -> Result<String, DeployError> {
        let options = CreateContainerOptionsBuilder::default().name(&config.name).build();
        let call = self.docker.create_container(Some(options), container::create_body(config));
        Ok(self.call(Doing::CreatingContainer, &config.name, call).await?.id)
    }

    async fn start(&self, id: &str) -> Result<(), DeployError> {
        self.call(Doing::StartingContainer, id, self.docker.start_container(id, None)).await
    }

    async fn stop(&self, id: &str, timeout: Option<u32>) -> Result<(), DeployError> {
        let mut options = StopContainerOptionsBuilder::default();
        let mut patience = LONGEST_STOP;
        if let Some(seconds) = timeout {
            options = options.t(i32::try_from(seconds).unwrap_or(i32::MAX));
            patience = CALL_PATIENCE + Duration::from_secs(u64::from(seconds));
        }
        // The engine answers when the container has ended, which the client's own limit knows nothing of.
        let docker = self.docker.clone().with_timeout(patience);
        match tokio::time::timeout(patience, docker.stop_container(id, Some(options.build()))).await {
            Ok(Err(error)) if status(&error) == Some(404) => Ok(()),
            Ok(answer) => answer.map_err(|error| fault(Doing::StoppingContainer, id, error)),
            Err(_) => Err(silent(Doing::StoppingContainer, id, patience)),
        }
    }

    async fn remove(&self, id: &str, force: bool, volumes: bool) -> Result<(), DeployError> {
        let options = RemoveContainerOptionsBuilder::default().force(force).v(volumes).build();
        let call = async {
            match self.docker.remove_container(id, Some(options)).await {
                Err(error) if is_going(&error) => Ok(()),
                other => other,
            }
        };
        self.if_there(Doing::RemovingContainer, id, call).await.map(drop)
    }

    async fn update(
        &self,
        id: &str,
        restart: Option<RestartPolicy>,
        limits: Option<ResourceLimits>,
    ) -> Result<(), DeployError> {
        let call = self.docker.update_container(id, container::update_body(restart, limits));
        self.call(Doing::ChangingContainer, id, call).await
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), DeployError> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        self.call(Doing::RenamingContainer, id, self.docker.rename_container(id, options)).await
    }

    async fn inspect(&self, id_or_name: &str) -> Result<Option<Inspection>, DeployError> {
        let object = format!("container {id_or_name}");
        let found = self.if_there(Doing::Asking, &object, self.docker.inspect_container(id_or_name, None)).await?;
        Ok(found.map(reading::inspection))
    }

    async fn list(&self, filter: &ContainerFilter) -> Result<Vec<RuntimeContainer>, DeployError> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&label_filter(&filter.labels)).build();
        let found = self.call(Doing::Asking, "its containers", self.docker.list_containers(Some(options))).await?;
        Ok(found.into_iter().map(reading::summary).collect())
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<LogLine>, DeployError> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let call = async {
            let mut output = Box::pin(self.docker.logs(id, Some(options)));
            let (mut read, mut bytes) = (Vec::new(), 0);
            while let Some(part) = output.next().await {
                let part = part?;
                bytes += part.as_ref().len();
                read.extend(log_lines(&part));
                if bytes > MAX_LOG_BYTES {
                    break;
                }
            }
            Ok(read)
        };
        let mut read = self.call(Doing::ReadingLogs, id, call).await?;
        read.drain(..read.len().saturating_sub(lines));
        Ok(read)
    }

    async fn create_network(&self, config: &NetworkConfig) -> Result<String, DeployError> {
        let call = self.docker.create_network(network_request(config));
        Ok(self.call(Doing::CreatingNetwork, &config.name, call).await?.id)
    }

    async fn networks(&self, labels: &BTreeMap<String, String>) -> Result<Vec<NetworkInfo>, DeployError> {
        let options = ListNetworksOptionsBuilder::default().filters(&label_filter(labels)).build();
        let found = self.call(Doing::Asking, "its networks", self.docker.list_networks(Some(options))).await?;
        Ok(found.into_iter().map(reading::network).collect())
    }

    async fn remove_network(&self, id: &str) -> Result<(), DeployError> {
        self.if_there(Doing::RemovingNetwork, id, self.docker.remove_network(id)).await.map(drop)
    }

    async fn create_volume(
        &self,
        name: &str,
        driver: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<VolumeInfo, DeployError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: driver.map(str::to_owned),
            labels: Some(labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        let volume = self.call(Doing::CreatingVolume, name, self.docker.create_volume(request)).await?;
        Ok(VolumeInfo { name: volume.name, labels: volume.labels.into_iter().collect() })
    }

    async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeInfo>, DeployError> {
        let options = ListVolumesOptionsBuilder::default().filters(&label_filter(labels)).build();
        let found = self.call(Doing::Asking, "its volumes", self.docker.list_volumes(Some(options))).await?;
        let volumes = found.volumes.unwrap_or_default().into_iter();
        Ok(volumes.map(|v| VolumeInfo { name: v.name, labels: v.labels.into_iter().collect() }).collect())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), DeployError> {
        let options = RemoveVolumeOptionsBuilder::default().build();
        let call = self.docker.remove_volume(name, Some(options));
        self.if_there(Doing::RemovingVolume, name, call).await.map(drop)
    }

    async fn changed(&self, labels: &BTreeMap<String, String>) {
        self.next_event(labels).await;
    }
}

/// Somebody else is removing it already: it will be gone.
fn is_going(error: &bollard::errors::Error) -> bool {
    status(error) == Some(409) && error.to_string().contains("is already in progress")
}

fn engine_name(version: &SystemVersion) -> &'static str {
    let components = version.components.iter().flatten();
    if components.into_iter().any(|component| component.name.contains("Podman")) { "podman" } else { "docker" }
}

fn label_filter(labels: &BTreeMap<String, String>) -> HashMap<String, Vec<String>> {
    if labels.is_empty() {
        return HashMap::new();
    }
    HashMap::from([("label".to_owned(), labels.iter().map(|(name, value)| format!("{name}={value}")).collect())])
}

fn network_request(config: &NetworkConfig) -> NetworkCreateRequest {
    let range = IpamConfig {
        subnet: config.subnet.clone(),
        ip_range: config.ip_range.clone(),
        gateway: config.gateway.map(|address| address.to_string()),
        auxiliary_addresses: None,
    };
    NetworkCreateRequest {
        name: config.name.clone(),
        driver: Some(config.driver.clone()),
        ipam: config.subnet.as_ref().map(|_| Ipam { config: Some(vec![range]), ..Ipam::default() }),
        options: Some(config.options.clone().into_iter().collect()),
        labels: Some(config.labels.clone().into_iter().collect()),
        ..NetworkCreateRequest::default()
    }
}

fn log_lines(part: &LogOutput) -> Vec<LogLine> {
    let stderr = matches!(part, LogOutput::StdErr { .. });
    let text = String::from_utf8_lossy(part.as_ref());
    text.lines().map(|line| LogLine { stderr, text: line.to_owned() }).collect()
}
