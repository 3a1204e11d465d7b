//! From a spec to a container in the engine's terms.

use serde::{Deserialize, Serialize};

use super::EngineDeployer;
use crate::deploy::{
    ContainerConfig, DeployError, DeployErrorKind, DeployRequest, InstanceLabels, LABEL_PREFIX, NetworkAttachment,
    RuntimeContainer, RuntimeMount, StepContext, label,
};
use crate::stack::{ContainerSpec, HealthProbe, NetworkSpec};

/// The longest definition that a container carries as a label. What is longer cannot be updated field by field.
pub(super) const MAX_DEFINITION_BYTES: usize = 32 * 1024;

/// Networks of the engine itself, on which a container has no name.
const NETWORKS_WITHOUT_NAMES: [&str; 3] = ["bridge", "host", "none"];

/// What an instance was made from: kept as a label, so that one field of it can be changed later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) spec: ContainerSpec,
    pub(super) network: Option<NetworkSpec>,
}

impl Definition {
    /// The definition that a container carries, if it does.
    pub(super) fn read(container: &RuntimeContainer) -> Option<Self> {
        serde_json::from_str(container.labels.get(label::DEFINITION)?).ok()
    }
}

/// Refuses, before anything is touched, what could only fail later or would be silently ignored.
pub(super) fn check(request: &DeployRequest) -> Result<(), DeployError> {
    let spec = &request.spec;
    let refuse = |kind, message: String| Err(DeployError::new(kind, message).in_step("check"));
    let network_labels = request.network.iter().flat_map(|network| network.labels.keys());
    if let Some(name) = spec.labels.keys().chain(network_labels).find(|name| name.starts_with(LABEL_PREFIX)) {
        let message = format!("container {}: label {name} begins with {LABEL_PREFIX}, which is reserved", spec.name);
        return refuse(DeployErrorKind::Invalid, message);
    }
    if let Some(name) = spec.container_name.as_ref().filter(|_| spec.replicas > 1) {
        let message = format!(
            "container {}: containerName {name} is one name, and {} replicas are wanted; leave one of the two out",
            spec.name, spec.replicas
        );
        return refuse(DeployErrorKind::Invalid, message);
    }
    let probe = match spec.health_check.as_ref().map(|check| &check.probe) {
        None => return Ok(()),
        Some(HealthProbe::Exec { command }) if command.is_empty() => {
            let message = format!("container {}: the health check has no command", spec.name);
            return refuse(DeployErrorKind::Invalid, message);
        }
        Some(HealthProbe::Exec { .. }) => return Ok(()),
        Some(HealthProbe::Http { .. }) => "http",
        Some(HealthProbe::Tcp { .. }) => "tcp",
        Some(HealthProbe::Grpc { .. }) => "grpc",
    };
    let message = format!(
        "container {}: health checks by {probe} are not supported by this agent; use an exec check, \
         such as [\"CMD\", \"wget\", \"-q\", \"--spider\", \"http://localhost/\"]",
        spec.name
    );
    refuse(DeployErrorKind::Unsupported, message)
}

impl EngineDeployer {
    /// What the container of a request is called when it need not live beside another.
    pub(super) fn wanted_name(&self, request: &DeployRequest) -> String {
        request
            .spec
            .container_name
            .clone()
            .unwrap_or_else(|| self.owner.instance_name(request.stack.as_ref(), &request.spec.name, request.slot, None))
    }

    /// What it is called until it is proven, when it has a predecessor.
    pub(super) fn name_beside(&self, request: &DeployRequest) -> String {
        let beside = Some(request.generation);
        self.owner.instance_name(request.stack.as_ref(), &request.spec.name, request.slot, beside)
    }

    /// Whether a container of ours was once observed good, or replaced none: only then has it its own name.
    pub(super) fn is_proven(&self, container: &RuntimeContainer) -> bool {
        let beside = self.labels_of(container).map(|InstanceLabels { stack, container, slot, generation, .. }| {
            self.owner.instance_name(stack.as_ref(), &container, slot, Some(generation))
        });
        beside.is_none_or(|beside| container.name != beside)
    }

    /// The container that a request asks for.
    pub(super) fn container_config(
        &self,
        request: &DeployRequest,
        name: String,
        spec_hash: &str,
        mounts: Vec<RuntimeMount>,
        network: Option<String>,
        context: &StepContext,
    ) -> ContainerConfig {
        let spec = &request.spec;
        let mut labels = spec.labels.clone();
        let identity = InstanceLabels {
            stack: request.stack.clone(),
            container: spec.name.clone(),
            slot: request.slot,
            generation: request.generation,
            spec: spec_hash.to_owned(),
            task: context.task,
        };
        labels.extend(identity.write(&self.owner));
        let definition = Definition { spec: spec.clone(), network: request.network.clone() };
        let definition = serde_json::to_string(&definition).expect("a spec that came as JSON is JSON");
        if definition.len() <= MAX_DEFINITION_BYTES {
            labels.insert(label::DEFINITION.to_owned(), definition);
        }
        ContainerConfig {
            name,
            image: spec.image.clone(),
            entrypoint: spec.entrypoint.clone(),
            command: spec.command.iter().chain(&spec.args).cloned().collect(),
            env: spec.env.clone(),
            labels,
            working_dir: spec.working_dir.clone(),
            user: spec.user.clone(),
            ports: spec.ports.clone(),
            mounts,
            restart_policy: spec.restart_policy,
            limits: spec.resources.limits,
            reservations: spec.resources.reservations,
            health_check: spec.health_check.clone(),
            stop_timeout: spec.stop_timeout,
            network: network.map(|network| attachment(network, spec)),
        }
    }
}

fn attachment(network: String, spec: &ContainerSpec) -> NetworkAttachment {
    let named = !NETWORKS_WITHOUT_NAMES.contains(&network.as_str());
    NetworkAttachment { network, aliases: named.then(|| spec.name.to_string()).into_iter().collect() }
}
