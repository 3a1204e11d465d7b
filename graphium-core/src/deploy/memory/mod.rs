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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deploy::{DeployRequest, Deployer, EngineDeployer, HostIdentity, InstanceTarget, Runtime, StepContext};
    use crate::id::{AgentId, ContainerName, Generation, InstallationId, Slot};
    use crate::stack::{ContainerSpec, InstanceState, PortSpec, Protocol, PullPolicy, RestartPolicy};

    fn host() -> (MemoryRuntime, EngineDeployer) {
        let engine = MemoryRuntime::new();
        let owner = HostIdentity { installation: InstallationId::generate(), host: AgentId::new("vm1").unwrap() };
        (engine.clone(), EngineDeployer::new(Arc::new(engine), owner))
    }

    fn request(change: impl FnOnce(&mut ContainerSpec)) -> DeployRequest {
        let mut spec = ContainerSpec::new(ContainerName::new("web").unwrap(), "web:1");
        change(&mut spec);
        let pull_policy = PullPolicy::IfNotPresent;
        DeployRequest {
            stack: None,
            spec,
            slot: Slot(0),
            generation: Generation(1),
            network: None,
            pull_policy,
            run_to_completion: false,
        }
    }

    fn port(host_port: u16) -> PortSpec {
        PortSpec { container_port: 80, host_port: Some(host_port), protocol: Protocol::Tcp, host_ip: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_published_port_answers_with_the_environment_while_the_container_runs() {
        let (engine, deployer) = host();
        let request = request(|spec| {
            spec.ports.push(port(8080));
            spec.env.insert("GREETING".into(), "hello".into());
        });
        assert_eq!(engine.answer(8080), None);
        deployer.deploy(&request, &StepContext::detached()).await.unwrap();
        assert!(engine.answer(8080).unwrap().contains("GREETING=hello\n"));

        let id = deployer.observe().await.unwrap()[0].runtime_id.clone();
        engine.stop(&id, None).await.unwrap();
        assert_eq!(engine.answer(8080), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_others_wait_for_is_done_when_it_has_ended_and_not_when_it_runs() {
        let (engine, deployer) = host();
        let minute = Duration::from_secs(60);
        engine.load("web:1", MemoryImage::exiting(minute, 0));
        let mut request = request(|_| {});

        let began = Instant::now();
        deployer.deploy(&request, &StepContext::detached()).await.unwrap();
        assert!(began.elapsed() < minute, "nobody waits for its end: {:?}", began.elapsed());

        request.slot = Slot(1);
        request.run_to_completion = true;
        deployer.deploy(&request, &StepContext::detached()).await.unwrap();
        assert!(began.elapsed() >= minute, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_of_a_process_outside_the_engine_is_a_port_conflict() {
        let (engine, deployer) = host();
        engine.occupy_port(8080);
        let request = request(|spec| spec.ports.push(port(8080)));
        let error = deployer.deploy(&request, &StepContext::detached()).await.unwrap_err();
        assert_eq!(error.kind(), DeployErrorKind::PortConflict);
        assert!(error.to_string().contains("outside the engine"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_hits_the_next_call_of_its_sort_and_no_other() {
        let (engine, deployer) = host();
        engine.fail_next(EngineCall::Start, DeployErrorKind::Exhausted);
        let request = request(|_| {});
        let context = StepContext::detached();
        assert_eq!(deployer.deploy(&request, &context).await.unwrap_err().kind(), DeployErrorKind::Exhausted);
        assert!(deployer.observe().await.unwrap().is_empty(), "what could not be started is not left behind");
        deployer.deploy(&request, &context).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_predecessor_that_could_not_be_started_again_is_brought_back_by_the_next_failure() {
        let (engine, deployer) = host();
        deployer.deploy(&request(|_| {}), &StepContext::detached()).await.unwrap();
        let good = deployer.observe().await.unwrap()[0].runtime_id.clone();
        engine.publish("web:2", MemoryImage::exiting(Duration::ZERO, 3));
        let next = DeployRequest { generation: Generation(2), ..request(|spec| spec.image = "web:2".into()) };

        for _ in 0..2 {
            engine.fail_next(EngineCall::Start, DeployErrorKind::Exhausted);
        }
        let error = deployer.deploy(&next, &StepContext::detached()).await.unwrap_err();
        assert!(error.to_string().contains("could not be started again"), "{error}");
        assert_eq!(deployer.observe().await.unwrap().len(), 2, "the candidate tells which was the last good one");

        deployer.deploy(&next, &StepContext::detached()).await.unwrap_err();
        let left = deployer.observe().await.unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!((&left[0].runtime_id, left[0].state), (&good, InstanceState::Running));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_does_not_answer_fails_every_call_and_keeps_its_containers() {
        let (engine, deployer) = host();
        deployer.deploy(&request(|_| {}), &StepContext::detached()).await.unwrap();
        engine.set_available(false);
        assert_eq!(deployer.observe().await.unwrap_err().kind(), DeployErrorKind::Unavailable);
        engine.set_available(true);
        assert_eq!(deployer.observe().await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_ends_is_started_again_as_its_policy_says_and_that_is_told() {
        let (engine, deployer) = host();
        deployer
            .deploy(&request(|spec| spec.restart_policy = RestartPolicy::Always), &StepContext::detached())
            .await
            .unwrap();
        let name = deployer.observe().await.unwrap()[0].name.clone();
        deployer.changed().await;

        assert!(engine.end_process(&name, 1));
        deployer.changed().await;
        assert_eq!(deployer.observe().await.unwrap()[0].state, InstanceState::Restarting);
        tokio::time::timeout(Duration::from_secs(1), deployer.changed()).await.unwrap();
        assert!(deployer.observe().await.unwrap()[0].is_good());
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_of_a_bare_task_is_found_by_its_own_name_and_by_the_engines() {
        let (_, deployer) = host();
        deployer.deploy(&request(|_| {}), &StepContext::detached()).await.unwrap();
        let engine_name = deployer.observe().await.unwrap()[0].name.clone();
        for name in ["web", &engine_name] {
            let container = Some(ContainerName::new(name).unwrap());
            let target = InstanceTarget { runtime_id: None, stack: None, container, slot: Slot(0) };
            let outcome = deployer.restart(&target, None, &StepContext::detached()).await.unwrap();
            assert_eq!(outcome.instances[0].name, engine_name);
        }
    }
}
