//! Stories of stacks, told with hosts that do what their tasks say.

#[cfg(feature = "sqlite")]
mod restoring;
mod unreadable;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::id::{AgentId, ContainerName, Generation, SessionId, Slot, StackName};
use crate::stack::{
    ContainerSpec, Dependency, DeploymentAction, DeploymentStatus, EngineInfo, Health, Instance, InstanceState,
    PlacementStrategy, StackSpec, StackStatus, spec_hash,
};
use crate::store::{ClaimRequest, InventoryReport, MemoryStore, Report, ReportedStatus, StoreSettings};
use crate::task::{DeletePayload, DeployPayload, Failure, FailureCode, LifecyclePayload, Outcome, Task, TaskType};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A host that does its tasks on a list instead of an engine.
struct FakeHost {
    id: AgentId,
    session: SessionId,
    seq: u64,
    attempts_ended: u64,
    instances: Vec<Instance>,
}

impl FakeHost {
    fn new(id: &str) -> Self {
        Self {
            id: AgentId::new(id).unwrap(),
            session: SessionId::generate(),
            seq: 0,
            attempts_ended: 0,
            instances: Vec::new(),
        }
    }

    async fn look(&mut self, scene: &Scene) {
        self.seq += 1;
        scene.clock.advance(Duration::from_millis(1));
        let report = InventoryReport {
            session: self.session,
            machine: "machine".into(),
            seq: self.seq,
            attempts_ended: self.attempts_ended,
            engine: Some(EngineInfo::default()),
            instances: self.instances.clone(),
        };
        scene.control.store().inventory(&self.id, report).await.unwrap();
    }

    async fn claim(&self, scene: &Scene) -> Vec<Task> {
        let asking = ClaimRequest::hello(self.session, "machine").asking(100, Duration::ZERO);
        let answer = scene.control.store().claim(&self.id, asking).await.unwrap();
        answer.claims.into_iter().map(|claimed| claimed.task).collect()
    }

    async fn report(&mut self, scene: &Scene, task: &Task, status: ReportedStatus) {
        let mut call = ClaimRequest::hello(self.session, "machine");
        call.reports.push(Report { task: task.id(), attempt: task.attempt, status });
        self.attempts_ended = scene.control.store().claim(&self.id, call).await.unwrap().attempts_ended;
    }

    /// Does everything that is there to do, then looks. Answers with what it did.
    async fn work(&mut self, scene: &Scene) -> Vec<TaskType> {
        let tasks = self.work_unseen(scene).await;
        self.look(scene).await;
        tasks.into_iter().map(|task| task.spec.task_type.clone()).collect()
    }

    /// Does everything that is there to do, and does not look.
    async fn work_unseen(&mut self, scene: &Scene) -> Vec<Task> {
        let tasks = self.claim(scene).await;
        for task in &tasks {
            self.perform(task);
            self.report(scene, task, ReportedStatus::Completed(Outcome::default())).await;
        }
        tasks
    }

    fn perform(&mut self, task: &Task) {
        match task.spec.task_type {
            TaskType::Deploy => {
                let payload: DeployPayload = payload(task);
                self.remove(&payload.container_spec.name, payload.slot);
                self.instances.push(instance(&payload));
            }
            TaskType::Delete => {
                let payload: DeletePayload = payload(task);
                self.remove(&payload.container_name.unwrap(), payload.slot);
            }
            TaskType::Stop => self.set(task, InstanceState::Exited { exit_code: 0 }),
            TaskType::Start | TaskType::Restart => self.set(task, InstanceState::Running),
            TaskType::Cleanup => self.instances.clear(),
            TaskType::Update | TaskType::Prefetch | TaskType::Custom(_) => {}
        }
    }

    fn remove(&mut self, container: &ContainerName, slot: Slot) {
        self.instances.retain(|instance| (&instance.container, instance.slot) != (container, slot));
    }

    fn set(&mut self, task: &Task, state: InstanceState) {
        let payload: LifecyclePayload = payload(task);
        for instance in &mut self.instances {
            if Some(&instance.container) == payload.container_name.as_ref() {
                instance.state = state;
            }
        }
    }
}

fn payload<T: DeserializeOwned>(task: &Task) -> T {
    serde_json::from_value(task.spec.payload.clone()).unwrap()
}

fn instance(payload: &DeployPayload) -> Instance {
    let spec = &payload.container_spec;
    Instance {
        runtime_id: format!("id-{}", spec.name),
        name: spec.name.to_string(),
        stack: payload.stack.clone(),
        container: spec.name.clone(),
        slot: payload.slot,
        generation: payload.generation,
        spec_hash: spec_hash(spec, payload.network_config.as_ref()),
        task: None,
        image: spec.image.clone(),
        image_digest: "sha256:1".into(),
        state: InstanceState::Running,
        health: Health::None,
        restart_count: 0,
        ports: Vec::new(),
    }
}

struct Scene {
    control: Control,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock), StoreSettings::default()));
        Self { control: Control::new(store, Arc::<ManualClock>::clone(&clock)), clock }
    }

    /// Hosts that have been seen.
    async fn with_hosts<const N: usize>(ids: [&str; N]) -> (Self, [FakeHost; N]) {
        let scene = Self::new();
        let mut hosts = ids.map(FakeHost::new);
        for host in &mut hosts {
            host.claim(&scene).await;
            host.look(&scene).await;
        }
        (scene, hosts)
    }

    async fn apply(&self, spec: &StackSpec) -> crate::stack::Deployment {
        self.control.apply(spec.clone(), ApplyOptions::default(), "ann").await.unwrap()
    }

    async fn act(&self, action: DeploymentAction) -> crate::stack::Deployment {
        self.control.act(&shop(), action, false, "ann").await.unwrap()
    }

    /// Lets everything happen that can.
    async fn settle(&self, hosts: &mut [&mut FakeHost]) {
        loop {
            self.control.drive(&shop()).await.unwrap();
            let mut did = 0;
            for host in hosts.iter_mut() {
                did += host.work(self).await.len();
            }
            self.control.drive(&shop()).await.unwrap();
            if did == 0 {
                return;
            }
        }
    }

    async fn status(&self) -> StackStatus {
        self.control.stack(&shop()).await.unwrap().summary.status
    }
}

fn shop() -> StackName {
    StackName::new("shop").unwrap()
}

/// `web` on vm2 after `db` on vm1.
fn stack() -> StackSpec {
    let name = |text: &str| ContainerName::new(text).unwrap();
    let on = |container, host, needs: &[&str]| {
        let mut spec = ContainerSpec::new(name(container), format!("{container}:1"));
        spec.host = Some(AgentId::new(host).unwrap());
        spec.depends_on = needs.iter().map(|need| Dependency { container: name(need), condition: None }).collect();
        spec
    };
    StackSpec {
        name: shop(),
        description: None,
        comment: None,
        strategy: PlacementStrategy::Manual,
        host_constraints: Vec::new(),
        host: None,
        network: None,
        containers: vec![on("db", "vm1", &[]), on("web", "vm2", &["db"])],
    }
}

#[tokio::test]
async fn a_deployment_goes_in_waves_over_its_hosts_and_ends_when_it_was_observed() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    assert_eq!(scene.status().await, StackStatus::Pending);

    assert_eq!(vm1.work(&scene).await, [TaskType::Prefetch]);
    assert_eq!(vm2.work(&scene).await, [TaskType::Prefetch]);
    scene.control.drive(&shop()).await.unwrap();
    assert_eq!(vm2.work(&scene).await, [], "web waits for db");
    assert_eq!(vm1.work(&scene).await, [TaskType::Deploy]);
    assert_eq!(scene.status().await, StackStatus::Deploying);

    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test]
async fn a_deployment_is_not_complete_before_its_hosts_have_looked() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    let mut spec = stack();
    spec.containers.truncate(1);
    scene.apply(&spec).await;
    vm1.work(&scene).await;
    vm2.work(&scene).await;
    scene.control.drive(&shop()).await.unwrap();

    assert_eq!(vm1.work_unseen(&scene).await.len(), 1);
    scene.control.drive(&shop()).await.unwrap();
    assert_eq!(scene.status().await, StackStatus::Deploying);

    vm1.look(&scene).await;
    scene.control.drive(&shop()).await.unwrap();
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_shows_nothing_new_completes_a_deployment_at_once() {
    let (scene, [mut vm1]) = Scene::with_hosts(["vm1"]).await;
    let shutdown = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(scene.control.clone().run(shutdown.clone()));
    let mut spec = stack();
    spec.containers.truncate(1);
    scene.apply(&spec).await;
    let until = async |wanted: &dyn Fn(&Task) -> bool, host: &mut FakeHost| loop {
        if let Some(task) = host.claim(&scene).await.into_iter().find(wanted) {
            return task;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let prefetch = until(&|task| task.spec.task_type == TaskType::Prefetch, &mut vm1).await;
    vm1.report(&scene, &prefetch, ReportedStatus::Completed(Outcome::default())).await;
    let deploy = until(&|task| task.spec.task_type == TaskType::Deploy, &mut vm1).await;

    // The host sees the instance before the task is reported, so that looking once more makes no event.
    vm1.perform(&deploy);
    vm1.look(&scene).await;
    vm1.report(&scene, &deploy, ReportedStatus::Completed(Outcome::default())).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let looked = tokio::time::Instant::now();
    vm1.look(&scene).await;
    while scene.status().await != StackStatus::Running {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(looked.elapsed() < Duration::from_millis(500), "{:?}", looked.elapsed());
    shutdown.cancel();
    running.join_all().await;
}

#[tokio::test]
async fn a_second_deployment_touches_only_what_changed() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;

    let mut changed = stack();
    changed.containers[1].image = "web:2".into();
    scene.apply(&changed).await;
    assert_eq!(vm1.work(&scene).await, []);
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(vm2.instances[0].image, "web:2");
    assert_eq!(vm2.instances.len(), 1);
}

#[tokio::test]
async fn a_failed_step_ends_the_deployment_with_step_host_and_reason() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    vm2.work(&scene).await;
    let tasks = vm1.claim(&scene).await;
    let failure = Failure::new(FailureCode::ImageNotFound, "image db:1 is not in its registry");
    vm1.report(&scene, &tasks[0], ReportedStatus::Failed(failure)).await;
    scene.control.drive(&shop()).await.unwrap();

    let view = scene.control.stack(&shop()).await.unwrap();
    assert_eq!(view.summary.status, StackStatus::Error);
    let reason = "prefetch of the stack on vm1: image_not_found: image db:1 is not in its registry";
    assert_eq!(view.rollout.status, DeploymentStatus::Failed { reason: reason.into() });
}

#[tokio::test]
async fn a_stop_and_a_start_go_through_tasks_and_end_as_observed() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;

    scene.act(DeploymentAction::Stop).await;
    assert_eq!(scene.status().await, StackStatus::Stopping);
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(scene.status().await, StackStatus::Stopped);

    scene.act(DeploymentAction::Start).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test]
async fn a_delete_with_a_silent_host_stays_deleting_and_names_it_until_it_confirms() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    scene.clock.advance(StoreSettings::default().lease * 2);
    vm1.look(&scene).await;
    scene.control.store().sweep().await.unwrap();

    scene.act(DeploymentAction::Delete).await;
    scene.settle(&mut [&mut vm1]).await;
    let view = scene.control.stack(&shop()).await.unwrap();
    assert_eq!(view.summary.status, StackStatus::Deleting);
    let hosts: Vec<_> = view.summary.waiting_for.iter().map(|waiting| waiting.host.as_str()).collect();
    assert_eq!(hosts, ["vm2"]);

    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    let error = scene.control.stack(&shop()).await.unwrap_err();
    assert_eq!(error.kind(), ControlErrorKind::NotFound);
    assert!(vm2.instances.is_empty());
}

#[tokio::test]
async fn a_name_may_be_used_anew_after_a_delete() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    scene.act(DeploymentAction::Delete).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;

    assert_eq!(scene.apply(&stack()).await.generation, Generation(1));
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test]
async fn a_newer_deployment_supersedes_what_has_not_begun_and_deals_with_what_has() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    vm1.work(&scene).await;
    vm2.work(&scene).await;
    scene.control.drive(&shop()).await.unwrap();
    let begun = vm1.claim(&scene).await;
    assert_eq!(begun.len(), 1, "the deploy of db is under way");

    let mut only_web = stack();
    only_web.containers.remove(0);
    only_web.containers[0].depends_on.clear();
    scene.apply(&only_web).await;
    vm1.perform(&begun[0]);
    vm1.report(&scene, &begun[0], ReportedStatus::Completed(Outcome::default())).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;

    assert!(vm1.instances.is_empty(), "what the older deployment made after all is gone: {:?}", vm1.instances);
    assert_eq!(vm2.instances.len(), 1);
    let first = scene.control.deployment(&shop(), Generation(1)).await.unwrap();
    assert_eq!(first.status, DeploymentStatus::Superseded);
}

#[tokio::test]
async fn what_a_dead_agent_left_is_removed_by_a_later_deployment_without_it() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    vm1.work(&scene).await;
    vm2.work(&scene).await;
    scene.control.drive(&shop()).await.unwrap();
    let begun = vm1.claim(&scene).await;
    vm1.perform(&begun[0]);
    scene.clock.advance(StoreSettings::default().lease * 2);
    scene.control.store().sweep().await.unwrap();

    let mut only_web = stack();
    only_web.containers.remove(0);
    only_web.containers[0].depends_on.clear();
    scene.apply(&only_web).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;

    assert!(vm1.instances.is_empty(), "made, never reported, and no longer wanted: {:?}", vm1.instances);
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test]
async fn a_host_that_went_silent_before_it_looked_is_waited_for_by_name() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    let mut spec = stack();
    spec.containers.truncate(1);
    scene.apply(&spec).await;
    vm1.work(&scene).await;
    scene.control.drive(&shop()).await.unwrap();
    assert_eq!(vm1.work_unseen(&scene).await.len(), 1);
    scene.clock.advance(StoreSettings::default().lease * 2);
    vm2.look(&scene).await;
    scene.control.store().sweep().await.unwrap();
    scene.control.drive(&shop()).await.unwrap();

    let view = scene.control.stack(&shop()).await.unwrap();
    assert_eq!(view.summary.status, StackStatus::Deploying);
    assert_eq!(view.summary.waiting_for[0].host.as_str(), "vm1");

    vm1.look(&scene).await;
    scene.control.drive(&shop()).await.unwrap();
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test]
async fn a_plan_changes_nothing_and_its_hash_pins_it() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    let plan = scene.control.plan(&stack()).await.unwrap();
    assert!(vm1.work(&scene).await.is_empty(), "a plan makes no task");

    let options = ApplyOptions { plan_hash: Some(plan.plan_hash.clone()) };
    scene.control.apply(stack(), options.clone(), "ann").await.unwrap();
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    let error = scene.control.apply(stack(), options, "ann").await.unwrap_err();
    assert_eq!(error.kind(), ControlErrorKind::PlanChanged);
}

#[tokio::test]
async fn what_an_old_inventory_says_is_made_sure_of() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    let fresh = scene.control.plan(&stack()).await.unwrap();
    assert!(fresh.is_empty());

    let other = crate::task::NewTask::new(vm1.id.clone(), TaskType::Custom("other".into()));
    scene.control.store().submit(crate::store::Submission::of("ann", [other])).await.unwrap();
    let tasks = vm1.claim(&scene).await;
    vm1.report(&scene, &tasks[0], ReportedStatus::Completed(Outcome::default())).await;
    let stale = scene.control.plan(&stack()).await.unwrap();
    let reasons: BTreeSet<_> = stale.steps.iter().map(|step| step.reason.as_str()).collect();
    assert!(reasons.contains("its host has not looked since its last task"), "{reasons:?}");
}

#[tokio::test]
async fn an_invalid_definition_is_refused_with_its_problems() {
    let scene = Scene::new();
    let mut spec = stack();
    spec.containers[1].depends_on[0].container = ContainerName::new("ghost").unwrap();
    let error = scene.control.apply(spec, ApplyOptions::default(), "ann").await.unwrap_err();
    assert_eq!(error.kind(), ControlErrorKind::InvalidDefinition);
    assert!(error.problems()[0].message.contains("ghost"), "{:?}", error.problems());
}

#[tokio::test]
async fn old_deployments_are_forgotten_beyond_their_number() {
    let (scene, [mut vm1, mut vm2]) = Scene::with_hosts(["vm1", "vm2"]).await;
    for _ in 0..KEPT_DEPLOYMENTS + 2 {
        scene.apply(&stack()).await;
        scene.settle(&mut [&mut vm1, &mut vm2]).await;
    }
    let page = scene.control.deployments(&shop(), crate::store::PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len() as u64, KEPT_DEPLOYMENTS);
    assert_eq!(page.items[0].generation, Generation(3));
}
