//! What only a real engine can show: registries, processes outside it, images that change under their name.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use graphium_core::conformance::deployer::Behaviour;
use graphium_core::deploy::docker::DockerRuntime;
use graphium_core::deploy::{
    CleanupRequest, DeployErrorKind, DeployRequest, Deployer, EngineDeployer, HostIdentity, ProgressSink, Runtime,
    StepContext,
};
use graphium_core::id::{AgentId, ContainerName, Generation, InstallationId, Slot, StackName};
use graphium_core::stack::{ContainerSpec, PortSpec, Protocol, PullPolicy};
use graphium_core::task::{PrefetchPayload, Progress};
use graphium_tests::{file_system, probe_image};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::images;
use crate::registry::Registry;

/// How long a program may take until it listens, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

type Body = fn(Bench) -> Pin<Box<dyn Future<Output = ()>>>;

/// The tests by name.
pub(crate) const TESTS: [(&str, Body); 5] = [
    ("a_published_port_answers_with_the_declared_variables", |bench| Box::pin(a_published_port_answers(bench))),
    ("an_image_is_pulled_with_its_progress_and_its_digest", |bench| Box::pin(an_image_is_pulled(bench))),
    ("every_refusal_of_a_registry_has_its_kind", |bench| Box::pin(every_refusal_has_its_kind(bench))),
    ("a_port_held_by_a_process_outside_the_engine_says_so", |bench| Box::pin(a_port_held_outside(bench))),
    ("an_image_that_changed_under_its_name_replaces_the_instance", |bench| Box::pin(an_image_that_changed(bench))),
];

/// An owner of its own on the engine.
pub(crate) struct Bench {
    engine: Arc<DockerRuntime>,
    deployer: EngineDeployer,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let engine = Arc::new(DockerRuntime::connect().await.unwrap());
        let owner =
            HostIdentity { installation: InstallationId::generate(), host: AgentId::new("docker-tests").unwrap() };
        let deployer = EngineDeployer::new(Arc::clone(&engine) as Arc<dyn Runtime>, owner);
        Self { engine, deployer }
    }

    fn stack() -> StackName {
        StackName::new("alone").unwrap()
    }

    fn request(spec: ContainerSpec) -> DeployRequest {
        DeployRequest {
            stack: Some(Self::stack()),
            pull_policy: spec.pull_policy,
            run_to_completion: false,
            spec,
            slot: Slot(0),
            generation: Generation(1),
            network: None,
        }
    }

    async fn clean_up(&self) {
        let request = CleanupRequest { stack: Self::stack(), remove_volumes: true };
        self.deployer.cleanup(&request, &StepContext::detached()).await.unwrap();
    }
}

fn web() -> ContainerSpec {
    let mut spec = images::container(ContainerName::new("web").unwrap(), Behaviour::Serves);
    spec.min_uptime_seconds = 0;
    spec
}

fn port(host_port: Option<u16>) -> PortSpec {
    PortSpec { container_port: 80, host_port, protocol: Protocol::Tcp, host_ip: None }
}

async fn a_published_port_answers(bench: Bench) {
    let mut spec = web();
    spec.ports.push(port(None));
    spec.env.insert("GREETING".into(), "hello".into());
    bench.deployer.deploy(&Bench::request(spec), &StepContext::detached()).await.unwrap();

    let host_port = bench.deployer.observe().await.unwrap()[0].ports[0].host_port;
    // The program may not listen yet when its container runs.
    let answers = async {
        loop {
            match get(host_port).await {
                Some(page) => break page,
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    let page = tokio::time::timeout(PATIENCE, answers).await.unwrap();
    assert!(page.lines().any(|line| line == "GREETING=hello"), "{page}");
    bench.clean_up().await;
}

async fn get(host_port: u16) -> Option<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", host_port)).await.ok()?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
    let mut page = String::new();
    connection.read_to_string(&mut page).await.ok()?;
    (!page.is_empty()).then_some(page)
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Progress>>);

impl ProgressSink for Heard {
    fn report(&self, progress: Progress) {
        self.0.lock().unwrap().push(progress);
    }
}

async fn an_image_is_pulled(bench: Bench) {
    let registry = Registry::serve(file_system(&["pulled"]).unwrap()).await;
    let reference = format!("{}/here:1", registry.address);
    let heard = Arc::new(Heard::default());
    let context = StepContext { progress: Arc::clone(&heard) as Arc<dyn ProgressSink>, ..StepContext::detached() };

    let payload = PrefetchPayload { images: BTreeMap::from([(reference.clone(), PullPolicy::IfNotPresent)]) };
    let outcome = bench.deployer.prefetch(&payload, &context).await.unwrap();
    let report = &outcome.data["images"][0];
    assert!(report["before"].is_null(), "{report}");
    assert!(report["digest"].as_str().unwrap().contains("here@sha256:"), "{report}");
    assert!(heard.0.lock().unwrap().iter().any(|progress| progress.percent == Some(100)), "{heard:?}");

    // What is there needs no registry.
    registry.stop().await;
    let again = bench.deployer.prefetch(&payload, &context).await.unwrap();
    assert_eq!(again.data["images"][0]["before"], report["after"]);
    bench.engine.remove_image(&reference).await.unwrap();
}

async fn every_refusal_has_its_kind(bench: Bench) {
    let registry = Registry::serve(file_system(&[]).unwrap()).await;
    let address = registry.address;
    for (image, kind) in [
        ("here:2", DeployErrorKind::ImageNotFound),
        ("nobody-knows:1", DeployErrorKind::ImageNotFound),
        ("private:1", DeployErrorKind::RegistryAuth),
        ("busy:1", DeployErrorKind::RateLimited),
        ("Not-A-Name:1", DeployErrorKind::Invalid),
    ] {
        refused(&bench, &format!("{address}/{image}"), kind).await;
    }
    registry.stop().await;
    refused(&bench, &format!("{address}/here:1"), DeployErrorKind::RegistryUnreachable).await;
    assert!(bench.deployer.observe().await.unwrap().is_empty());
}

async fn refused(bench: &Bench, image: &str, kind: DeployErrorKind) {
    let request = Bench::request(ContainerSpec { image: image.to_owned(), ..web() });
    let error = bench.deployer.deploy(&request, &StepContext::detached()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(image), "{error}");
}

async fn a_port_held_outside(bench: Bench) {
    let holder = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let host_port = holder.local_addr().unwrap().port();
    let mut spec = web();
    spec.ports.push(port(Some(host_port)));

    let error = bench.deployer.deploy(&Bench::request(spec), &StepContext::detached()).await.unwrap_err();
    assert_eq!(error.kind(), DeployErrorKind::PortConflict, "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("host port {host_port} is held by a process outside the engine")), "{text}");
    assert!(bench.deployer.observe().await.unwrap().is_empty());
}

async fn an_image_that_changed(bench: Bench) {
    let image = images::unique();
    probe_image(&bench.engine, &image, &[80], &["first"]).await.unwrap();
    let request = Bench::request(ContainerSpec { image: image.clone(), ..web() });
    let first = bench.deployer.deploy(&request, &StepContext::detached()).await.unwrap();

    probe_image(&bench.engine, &image, &[80], &["second"]).await.unwrap();
    let second = bench.deployer.deploy(&request, &StepContext::detached()).await.unwrap();
    assert_eq!(second.instances[0].action, "replaced");
    assert_ne!(second.instances[0].image_digest, first.instances[0].image_digest);
    assert_eq!(bench.deployer.observe().await.unwrap().len(), 1);

    bench.clean_up().await;
    for image in [image, first.instances[0].image_digest.clone().unwrap()] {
        bench.engine.remove_image(&image).await.unwrap();
    }
}
