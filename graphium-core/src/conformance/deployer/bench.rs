//! What a case works with: an owner that nobody else has, and shorthand for the requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::{Behaviour, DeployerHarness};
use crate::deploy::{
    CleanupRequest, ContainerConfig, ContainerFilter, DeleteRequest, DeployError, DeployErrorKind, DeployRequest,
    Deployer, EngineDeployer, HostIdentity, Inspection, InstanceTarget, Runtime, StepContext, label,
};
use crate::id::{AgentId, ContainerName, Generation, InstallationId, Slot, StackName};
use crate::stack::{ContainerSpec, Instance, InstanceState, NetworkSpec, PullPolicy, ResourceLimits, RestartPolicy};
use crate::task::Outcome;

/// The workplace of one case: an installation of its own on the engine that is proved.
#[derive(Debug)]
pub struct Bench {
    harness: DeployerHarness,
    /// Whose objects the case makes.
    pub(super) owner: HostIdentity,
    /// What the case proves.
    pub(super) deployer: Arc<EngineDeployer>,
    /// The engine itself, to look at what the deployer did and to be somebody else.
    pub(super) runtime: Arc<dyn Runtime>,
    /// What the case made as somebody else: containers by id, networks by id, volumes by name.
    foreign: Mutex<Vec<Foreign>>,
}

#[derive(Debug, Clone)]
pub(super) enum Foreign {
    Container(String),
    Network(String),
    Volume(String),
}

impl Bench {
    pub(super) fn new(harness: DeployerHarness) -> Self {
        let owner = HostIdentity {
            installation: InstallationId::from_uuid(Uuid::new_v4()),
            host: AgentId::new("conformance").expect("it is a name"),
        };
        let runtime = Arc::clone(&harness.runtime);
        let deployer = Arc::new(EngineDeployer::new(Arc::clone(&runtime), owner.clone()));
        Self { harness, owner, deployer, runtime, foreign: Mutex::default() }
    }

    /// How many moments a case may leave out between two at which it cuts.
    pub(super) fn cut_every(&self) -> usize {
        self.harness.cut_every.max(1)
    }

    /// Another host of the same installation on this engine.
    pub(super) fn other_host(&self) -> EngineDeployer {
        let host = AgentId::new("conformance-other").expect("it is a name");
        EngineDeployer::new(Arc::clone(&self.runtime), HostIdentity { host, ..self.owner.clone() })
    }

    /// A name that no other case on this engine has.
    pub(super) fn unique(&self, name: &str) -> String {
        format!("{name}-{}", &self.owner.installation.as_uuid().simple().to_string()[..12])
    }

    pub(super) fn spec(&self, name: &str, behaviour: Behaviour) -> ContainerSpec {
        let name = ContainerName::new(name).expect("cases use plain names");
        let mut spec = (self.harness.container)(name, behaviour);
        spec.min_uptime_seconds = 1;
        spec.stop_timeout = 1;
        spec
    }

    pub(super) fn stack() -> StackName {
        StackName::new("shop").expect("it is a name")
    }

    pub(super) fn request(spec: ContainerSpec, generation: u64) -> DeployRequest {
        DeployRequest {
            stack: Some(Self::stack()),
            pull_policy: spec.pull_policy,
            run_to_completion: false,
            spec,
            slot: Slot(0),
            generation: Generation(generation),
            network: None,
        }
    }

    pub(super) fn request_on(spec: ContainerSpec, network: NetworkSpec) -> DeployRequest {
        DeployRequest { network: Some(network), ..Self::request(spec, 1) }
    }

    /// Deploys and must succeed.
    pub(super) async fn deploy(&self, request: &DeployRequest) -> Outcome {
        self.deployer.deploy(request, &StepContext::detached()).await.expect("the deploy succeeds")
    }

    /// Deploys and must fail with this kind.
    pub(super) async fn refused(&self, request: &DeployRequest, kind: DeployErrorKind) -> DeployError {
        let result = self.deployer.deploy(request, &StepContext::detached()).await;
        let error = result.expect_err("the deploy fails");
        assert_eq!(error.kind(), kind, "{error}");
        error
    }

    pub(super) fn target(container: &str) -> InstanceTarget {
        InstanceTarget {
            runtime_id: None,
            stack: Some(Self::stack()),
            container: Some(ContainerName::new(container).expect("cases use plain names")),
            slot: Slot(0),
        }
    }

    pub(super) async fn delete(&self, container: &str) -> Outcome {
        let request = DeleteRequest {
            target: Self::target(container),
            force: false,
            remove_volumes: false,
            stop_timeout: Some(1),
        };
        self.deployer.delete(&request, &StepContext::detached()).await.expect("the delete succeeds")
    }

    pub(super) async fn clean_up(&self, deployer: &EngineDeployer, remove_volumes: bool) -> Outcome {
        let request = CleanupRequest { stack: Self::stack(), remove_volumes };
        deployer.cleanup(&request, &StepContext::detached()).await.expect("the clean-up succeeds")
    }

    /// Every instance of this owner.
    pub(super) async fn instances(&self) -> Vec<Instance> {
        self.deployer.observe().await.expect("the engine answers")
    }

    /// The one instance of this owner.
    pub(super) async fn only_instance(&self) -> Instance {
        let mut instances = self.instances().await;
        assert_eq!(instances.len(), 1, "there is exactly one instance: {instances:#?}");
        instances.remove(0)
    }

    pub(super) async fn is_empty(&self) {
        let instances = self.instances().await;
        assert!(instances.is_empty(), "nothing is left behind: {instances:#?}");
    }

    pub(super) async fn inspect(&self, id: &str) -> Inspection {
        self.runtime.inspect(id).await.expect("the engine answers").expect("the container is there")
    }

    /// A running container of somebody else.
    pub(super) async fn foreign_container(&self, config: &ContainerConfig) -> Inspection {
        let id = self.runtime.create(config).await.expect("the engine makes it");
        self.remember(Foreign::Container(id.clone()));
        self.runtime.start(&id).await.expect("the engine starts it");
        self.inspect(&id).await
    }

    /// A container in the engine's terms, of somebody who has never heard of labels.
    pub(super) fn plain_config(&self, name: String) -> ContainerConfig {
        let spec = self.spec("plain", Behaviour::Serves);
        ContainerConfig {
            name,
            image: spec.image,
            entrypoint: spec.entrypoint,
            command: spec.command.into_iter().chain(spec.args).collect(),
            env: spec.env,
            labels: BTreeMap::new(),
            working_dir: None,
            user: None,
            ports: Vec::new(),
            mounts: Vec::new(),
            restart_policy: RestartPolicy::No,
            limits: ResourceLimits::default(),
            reservations: ResourceLimits::default(),
            health_check: None,
            stop_timeout: 1,
            network: None,
        }
    }

    pub(super) fn remember(&self, foreign: Foreign) {
        self.foreign.lock().expect("no case panics under the lock").push(foreign);
    }

    /// Removes whatever the case made on the engine, whatever became of it.
    pub(super) async fn sweep(&self) {
        let labels = BTreeMap::from([(label::INSTALLATION.to_owned(), self.owner.installation.to_string())]);
        let runtime = &self.runtime;
        for container in runtime.list(&ContainerFilter { labels: labels.clone() }).await.expect("the engine answers") {
            if container.state != InstanceState::Removing {
                runtime.remove(&container.id, true, true).await.expect("the engine removes it");
            }
        }
        let foreign = self.foreign.lock().expect("no case panics under the lock").clone();
        for object in &foreign {
            if let Foreign::Container(id) = object {
                runtime.remove(id, true, true).await.expect("the engine removes it");
            }
        }
        for network in runtime.networks(&labels).await.expect("the engine answers") {
            runtime.remove_network(&network.id).await.expect("the engine removes it");
        }
        for volume in runtime.volumes(&labels).await.expect("the engine answers") {
            runtime.remove_volume(&volume.name).await.expect("the engine removes it");
        }
        for object in foreign {
            match object {
                Foreign::Container(_) => {}
                Foreign::Network(id) => runtime.remove_network(&id).await.expect("the engine removes it"),
                Foreign::Volume(name) => runtime.remove_volume(&name).await.expect("the engine removes it"),
            }
        }
    }
}

/// What a deploy or another verb did to its one instance.
pub(super) fn action(outcome: &Outcome) -> &str {
    assert_eq!(outcome.instances.len(), 1, "the outcome tells of one instance: {outcome:?}");
    &outcome.instances[0].action
}

/// A deploy that never looks for a registry.
pub(super) fn without_pull(mut request: DeployRequest) -> DeployRequest {
    request.pull_policy = PullPolicy::Never;
    request
}
