//! The task of a step.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::deploy::is_awaited;
use crate::id::{ContainerName, TaskId};
use crate::stack::{ContainerSpec, Deployment, PullPolicy, Step, StepAction};
use crate::task::{
    CleanupPayload, DeletePayload, DeployPayload, Lane, LifecyclePayload, MAX_TIMEOUT, NewTask, Placed,
    PrefetchPayload, TaskType,
};

/// What a deadline allows beside the periods that the work itself contains: pulling, creating, starting.
const WORK_MARGIN: Duration = Duration::from_secs(60);
/// What one image may take to be pulled.
const PULL: Duration = Duration::from_secs(300);

/// The task that does a step of a deployment, under this id.
///
/// # Panics
/// If the deployment has no step of that number.
#[must_use]
pub fn task_for(deployment: &Deployment, number: usize, id: TaskId) -> NewTask {
    let step = &deployment.steps[number];
    let spec = step.container.as_ref().and_then(|name| container(deployment, name));
    let (task_type, payload) = work(deployment, step, spec);
    let lane = match &step.container {
        Some(container) => Lane::instance(&step.agent, Some(&deployment.stack), container, step.slot),
        None => Lane::stack(&step.agent, &deployment.stack),
    };
    let mut task = NewTask::new(step.agent.clone(), task_type).with_payload(payload);
    task.id = id;
    task.lane = Some(lane);
    task.timeout = task.timeout.max(least_timeout(deployment, step, spec)).min(MAX_TIMEOUT);
    task.created_by.clone_from(&deployment.created_by);
    task.placed = Some(Placed {
        stack: deployment.stack.clone(),
        generation: deployment.generation,
        container: step.container.clone(),
        slot: step.slot,
    });
    task
}

fn container<'a>(deployment: &'a Deployment, name: &ContainerName) -> Option<&'a ContainerSpec> {
    deployment.spec.containers.iter().find(|container| &container.name == name)
}

fn work(deployment: &Deployment, step: &Step, spec: Option<&ContainerSpec>) -> (TaskType, Value) {
    let stack = Some(deployment.stack.clone());
    let lifecycle = || {
        let payload = LifecyclePayload {
            container_name: step.container.clone(),
            stack: stack.clone(),
            slot: step.slot,
            ..LifecyclePayload::default()
        };
        json(&payload)
    };
    let cleanup = |remove_volumes| json(&CleanupPayload { stack: deployment.stack.clone(), remove_volumes });
    match (step.action, spec) {
        (StepAction::Create | StepAction::Replace | StepAction::Update | StepAction::Keep, Some(spec)) => {
            let payload = DeployPayload {
                container_spec: spec.clone(),
                network_config: deployment.spec.network.clone(),
                labels: BTreeMap::new(),
                pull_policy: None,
                stack,
                slot: step.slot,
                generation: deployment.generation,
                run_to_completion: is_awaited(&deployment.spec, spec),
            };
            (TaskType::Deploy, json(&payload))
        }
        // An instance of a container that the definition does not have is not wanted.
        (StepAction::Create | StepAction::Replace | StepAction::Update | StepAction::Keep, _)
        | (StepAction::Remove, _) => {
            let payload = DeletePayload {
                container_name: step.container.clone(),
                stack,
                slot: step.slot,
                ..DeletePayload::default()
            };
            (TaskType::Delete, json(&payload))
        }
        (StepAction::Prefetch, _) => (TaskType::Prefetch, json(&PrefetchPayload { images: images(deployment, step) })),
        (StepAction::Stop, _) => (TaskType::Stop, lifecycle()),
        (StepAction::Start, _) => (TaskType::Start, lifecycle()),
        (StepAction::Restart, _) => (TaskType::Restart, lifecycle()),
        (StepAction::Cleanup, _) => (TaskType::Cleanup, cleanup(false)),
        (StepAction::CleanupWithVolumes, _) => (TaskType::Cleanup, cleanup(true)),
    }
}

/// The images that later steps on the host need, with the policy of each. `always` wins over `if-not-present`.
fn images(deployment: &Deployment, prefetch: &Step) -> BTreeMap<String, PullPolicy> {
    let mut images = BTreeMap::new();
    let makes =
        |step: &&Step| step.agent == prefetch.agent && matches!(step.action, StepAction::Create | StepAction::Replace);
    for step in deployment.steps.iter().filter(makes) {
        let Some(spec) = step.container.as_ref().and_then(|name| container(deployment, name)) else { continue };
        match spec.pull_policy {
            PullPolicy::Never => {}
            PullPolicy::Always => drop(images.insert(spec.image.clone(), PullPolicy::Always)),
            PullPolicy::IfNotPresent => drop(images.entry(spec.image.clone()).or_insert(PullPolicy::IfNotPresent)),
        }
    }
    images
}

/// The periods that a step contains by its own definition.
fn least_timeout(deployment: &Deployment, step: &Step, spec: Option<&ContainerSpec>) -> Duration {
    match step.action {
        StepAction::Prefetch => PULL.saturating_mul(u32::try_from(images(deployment, step).len()).unwrap_or(u32::MAX)),
        // What is left may have to be stopped, one after the other.
        StepAction::Cleanup | StepAction::CleanupWithVolumes => {
            let ending = |spec: &ContainerSpec| u64::from(spec.stop_timeout) * u64::from(spec.replicas);
            let all = deployment.spec.containers.iter().map(ending).fold(0, u64::saturating_add);
            Duration::from_secs(all).saturating_add(WORK_MARGIN)
        }
        // What it replaces is stopped first, and is taken to need as long as what replaces it.
        StepAction::Create | StepAction::Replace | StepAction::Update | StepAction::Keep => {
            spec.map_or(Duration::ZERO, |spec| least_for_one(spec).saturating_add(stop_time(spec)))
        }
        StepAction::Remove | StepAction::Stop | StepAction::Start | StepAction::Restart => {
            spec.map_or(Duration::ZERO, least_for_one)
        }
    }
}

fn least_for_one(spec: &ContainerSpec) -> Duration {
    let health = spec.health_check.as_ref().map_or(0, |check| {
        let tries = u64::from(check.retries.max(1)) + 1;
        let one = u64::from(check.interval) + u64::from(check.timeout);
        one.saturating_mul(tries).saturating_add(u64::from(check.start_period))
    });
    let uptime = u64::from(spec.min_uptime_seconds);
    Duration::from_secs(health.max(uptime)).saturating_add(stop_time(spec)).saturating_add(WORK_MARGIN)
}

fn stop_time(spec: &ContainerSpec) -> Duration {
    Duration::from_secs(u64::from(spec.stop_timeout))
}

fn json(payload: &impl Serialize) -> Value {
    serde_json::to_value(payload).expect("payloads have string keys and no fallible serialisers")
}

#[cfg(test)]
mod tests {
    use super::super::{deploy, sample};
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Generation;
    use crate::stack::{DeploymentAction, DeploymentStatus, HealthCheck, HealthProbe};

    fn deployment() -> Deployment {
        let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
        let plan = deploy(&spec, &sample::placed(&spec, &["vm1", "vm1"]), &[], &[]);
        Deployment {
            stack: spec.name.clone(),
            generation: Generation(3),
            action: DeploymentAction::Deploy,
            spec,
            spec_from: None,
            steps: plan.steps,
            status: DeploymentStatus::Running,
            warnings: Vec::new(),
            created_by: Some("ann".into()),
            started_at: Timestamp::EPOCH,
            finished_at: None,
        }
    }

    #[test]
    fn every_task_of_a_plan_has_a_payload_that_its_type_accepts() {
        let deployment = deployment();
        for number in 0..deployment.steps.len() {
            let task = task_for(&deployment, number, TaskId::generate());
            assert_eq!(task.task_type.check_payload(&task.payload), Ok(()));
            assert_eq!(task.validate(), Ok(()));
        }
    }

    #[test]
    fn the_largest_container_beside_the_largest_network_fits_a_task() {
        let mut deployment = deployment();
        let spec = &mut deployment.spec;
        spec.containers[0].env.insert("A".into(), "x".repeat(crate::stack::MAX_CONTAINER_BYTES - 1024));
        let mut network = crate::stack::NetworkSpec::bridge("net");
        network.options.insert("a".into(), "x".repeat(crate::stack::MAX_NETWORK_BYTES - 1024));
        spec.network = Some(network);
        let problems = crate::stack::validate(spec);
        assert!(!problems.iter().any(|problem| problem.message.contains("at most")), "{problems:?}");
        assert_eq!(task_for(&deployment, 1, TaskId::generate()).validate(), Ok(()));
    }

    #[test]
    fn a_prefetch_brings_the_images_of_its_host() {
        let task = task_for(&deployment(), 0, TaskId::generate());
        assert_eq!(task.task_type, TaskType::Prefetch);
        assert_eq!(task.payload["images"], serde_json::json!({ "db:1": "if-not-present", "web:1": "if-not-present" }));
    }

    #[test]
    fn an_instance_has_a_lane_of_its_own_and_the_generation_of_its_deployment() {
        let task = task_for(&deployment(), 1, TaskId::generate());
        assert_eq!(task.lane.unwrap().as_str(), "vm1/shop/db/0");
        assert_eq!(task.placed.unwrap().generation, Generation(3));
    }

    #[test]
    fn a_prefetch_of_many_images_gets_the_time_for_each() {
        let task = task_for(&deployment(), 0, TaskId::generate());
        assert_eq!(task.timeout, 2 * PULL);
    }

    #[test]
    fn a_cleanup_gets_the_time_that_every_instance_may_take_to_end() {
        let mut deployment = deployment();
        deployment.spec.containers[0].stop_timeout = 600;
        deployment.spec.containers[0].replicas = 2;
        let plan = crate::plan::delete(&[sample::host("vm1")].into(), &crate::plan::Places::new(), false);
        deployment.steps = plan.steps;
        let task = task_for(&deployment, 0, TaskId::generate());
        assert_eq!((task.task_type, task.timeout), (TaskType::Cleanup, Duration::from_secs(1200 + 10 + 60)));
    }

    #[test]
    fn a_deploy_gets_the_time_that_what_it_replaces_may_take_to_stop() {
        let mut deployment = deployment();
        deployment.spec.containers[0].stop_timeout = 600;
        let task = task_for(&deployment, 1, TaskId::generate());
        assert_eq!((task.task_type, task.timeout), (TaskType::Deploy, Duration::from_secs(2 + 2 * 600 + 60)));
    }

    #[test]
    fn a_deadline_has_a_ceiling() {
        let mut deployment = deployment();
        let web = &mut deployment.spec.containers[0];
        web.stop_timeout = u32::MAX;
        web.health_check = Some(HealthCheck {
            probe: HealthProbe::Tcp { port: 80 },
            interval: u32::MAX,
            timeout: u32::MAX,
            retries: u32::MAX,
            start_period: u32::MAX,
        });
        assert_eq!(task_for(&deployment, 1, TaskId::generate()).timeout, MAX_TIMEOUT);
    }

    #[test]
    fn a_deadline_is_never_shorter_than_the_health_check_needs() {
        let mut deployment = deployment();
        deployment.spec.containers[0].health_check = Some(HealthCheck {
            probe: HealthProbe::Exec { command: vec!["CMD".into(), "true".into()] },
            interval: 60,
            timeout: 30,
            retries: 5,
            start_period: 600,
        });
        let task = task_for(&deployment, 1, TaskId::generate());
        assert_eq!(task.timeout, Duration::from_secs(600 + 90 * 6 + 2 * 10 + 60));
    }
}
