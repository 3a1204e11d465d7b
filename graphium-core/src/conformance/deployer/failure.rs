//! Deploying what cannot be deployed: the reason is told exactly, and everything is as it was.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Behaviour;
use super::bench::{Bench, action, without_pull};
use crate::deploy::{DeployErrorKind, Deployer, ProgressSink, StepContext};
use crate::id::TaskId;
use crate::stack::{HealthCheck, HealthProbe, InstanceState, PortSpec, Protocol, RestartPolicy};
use crate::task::Progress;

pub(super) async fn a_missing_image_is_image_not_found_and_leaves_nothing(bench: &Bench) {
    let request = Bench::request(bench.spec("web", Behaviour::IsMissing), 1);
    let image = request.spec.image.clone();

    let pulled = bench.refused(&request, DeployErrorKind::ImageNotFound).await;
    assert!(pulled.to_string().contains(&image), "{pulled}");
    let not_pulled = bench.refused(&without_pull(request), DeployErrorKind::ImageNotFound).await;
    assert!(not_pulled.to_string().contains("never"), "{not_pulled}");
    bench.is_empty().await;
}

pub(super) async fn a_missing_image_stops_nothing(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let before = bench.only_instance().await;

    let request = without_pull(Bench::request(bench.spec("web", Behaviour::IsMissing), 2));
    bench.refused(&request, DeployErrorKind::ImageNotFound).await;
    assert_eq!(bench.only_instance().await, before);
}

pub(super) async fn a_container_that_ends_fails_with_its_last_lines_and_is_removed(bench: &Bench) {
    let request = Bench::request(bench.spec("web", Behaviour::Fails), 1);
    let text = bench.refused(&request, DeployErrorKind::Exited).await.to_string();
    assert!(text.contains("exit code 3") && text.contains("about to end"), "{text}");
    bench.is_empty().await;
}

pub(super) async fn a_container_that_keeps_restarting_is_not_good(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Fails);
    spec.restart_policy = RestartPolicy::Always;
    let error = bench.refused(&Bench::request(spec, 1), DeployErrorKind::Unhealthy).await;
    assert!(error.to_string().contains("restarted"), "{error}");
    bench.is_empty().await;
}

pub(super) async fn a_failed_replacement_brings_the_predecessor_back(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let before = bench.only_instance().await;

    let request = Bench::request(bench.spec("web", Behaviour::Fails), 2);
    let error = bench.refused(&request, DeployErrorKind::Exited).await;
    assert!(error.to_string().contains("started again"), "{error}");
    let after = bench.only_instance().await;
    assert_eq!((after.runtime_id, after.state), (before.runtime_id, InstanceState::Running));
}

pub(super) async fn an_unhealthy_container_fails_and_is_removed(bench: &Bench) {
    let request = Bench::request(bench.spec("web", Behaviour::TurnsUnhealthy), 1);
    let error = bench.refused(&request, DeployErrorKind::Unhealthy).await;
    assert!(error.to_string().contains("the engine says"), "{error}");
    bench.is_empty().await;
}

pub(super) async fn a_taken_host_port_names_its_holder(bench: &Bench) {
    let holder = bench.unique("holder");
    let mut config = bench.plain_config(holder.clone());
    let port = PortSpec { container_port: 80, host_port: None, protocol: Protocol::Tcp, host_ip: None };
    config.ports.push(port.clone());
    let host_port = bench.foreign_container(&config).await.container.ports[0].host_port;

    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.ports.push(PortSpec { host_port: Some(host_port), ..port });
    let error = bench.refused(&Bench::request(spec.clone(), 1), DeployErrorKind::PortConflict).await;
    let text = error.to_string();
    assert!(text.contains(&holder) && text.contains(&host_port.to_string()), "{text}");
    bench.is_empty().await;

    // A replacement that runs into it puts its predecessor back.
    let mut first = spec.clone();
    first.ports.clear();
    bench.deploy(&Bench::request(first, 1)).await;
    let before = bench.only_instance().await.runtime_id;
    bench.refused(&Bench::request(spec, 2), DeployErrorKind::PortConflict).await;
    let after = bench.only_instance().await;
    assert_eq!((after.runtime_id, after.state), (before, InstanceState::Running));
}

pub(super) async fn a_container_of_somebody_else_with_the_wanted_name_is_left_alone(bench: &Bench) {
    let name = bench.unique("wanted");
    let foreign = bench.foreign_container(&bench.plain_config(name.clone())).await;

    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.container_name = Some(name.clone());
    let error = bench.refused(&Bench::request(spec, 1), DeployErrorKind::NameConflict).await;
    let text = error.to_string();
    assert!(text.contains(&name) && text.contains("not Graphium's"), "{text}");
    bench.is_empty().await;
    assert_eq!(bench.inspect(&foreign.container.id).await, foreign);
}

pub(super) async fn what_cannot_be_honoured_is_refused_before_anything_is_touched(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let before = bench.only_instance().await;

    let mut reserved = bench.spec("web", Behaviour::Serves);
    reserved.labels.insert("graphium.host".into(), "other".into());
    let error = bench.refused(&Bench::request(reserved, 2), DeployErrorKind::Invalid).await;
    assert!(error.to_string().contains("graphium.host"), "{error}");

    let mut probed = bench.spec("web", Behaviour::Serves);
    let probe = HealthProbe::Grpc { port: 80, service: String::new() };
    probed.health_check = Some(HealthCheck { probe, interval: 1, timeout: 1, retries: 1, start_period: 0 });
    let error = bench.refused(&Bench::request(probed, 2), DeployErrorKind::Unsupported).await;
    assert!(error.to_string().contains("grpc"), "{error}");

    let mut many = bench.spec("web", Behaviour::Serves);
    many.container_name = Some(bench.unique("one-name"));
    many.replicas = 2;
    bench.refused(&Bench::request(many, 2), DeployErrorKind::Invalid).await;
    assert_eq!(bench.only_instance().await, before);
}

pub(super) async fn a_cancelled_deploy_is_undone(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.min_uptime_seconds = 600;
    let request = Bench::request(spec, 1);
    let context = StepContext::detached();

    let (deployed, ()) = tokio::join!(bench.deployer.deploy(&request, &context), async {
        until_running(bench, 1).await;
        context.cancel.cancel();
    });
    let error = deployed.expect_err("it was cancelled");
    assert_eq!(error.kind(), DeployErrorKind::Cancelled, "{error}");
    assert!(error.to_string().contains("removed again"), "{error}");
    bench.is_empty().await;
}

pub(super) async fn a_cancelled_replacement_brings_the_predecessor_back(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    assert_eq!(action(&bench.deploy(&Bench::request(spec.clone(), 1)).await), "created");
    let before = bench.only_instance().await;

    spec.env.insert("VERSION".into(), "2".into());
    spec.min_uptime_seconds = 600;
    let request = Bench::request(spec, 2);
    let context = StepContext::detached();
    let (deployed, ()) = tokio::join!(bench.deployer.deploy(&request, &context), async {
        until_running(bench, 2).await;
        context.cancel.cancel();
    });
    assert_eq!(deployed.expect_err("it was cancelled").kind(), DeployErrorKind::Cancelled);
    let after = bench.only_instance().await;
    assert_eq!((after.runtime_id, after.state), (before.runtime_id, InstanceState::Running));
}

/// Cancels the work when it begins to watch the container.
#[derive(Debug)]
struct CancelAtHealth(CancellationToken);

impl ProgressSink for CancelAtHealth {
    fn report(&self, progress: Progress) {
        if progress.step == "health" {
            self.0.cancel();
        }
    }
}

pub(super) async fn a_cancelled_repetition_leaves_what_serves_already(bench: &Bench) {
    let request = Bench::request(bench.spec("web", Behaviour::Serves), 1);
    let task = Some(TaskId::generate());
    let context = StepContext { task, ..StepContext::detached() };
    bench.deployer.deploy(&request, &context).await.expect("the deploy succeeds");
    let before = bench.only_instance().await;

    // Either its report was lost, or it ended before the new container had its own name.
    let beside = Some(request.generation);
    let unproven = bench.owner.instance_name(request.stack.as_ref(), &request.spec.name, request.slot, beside);
    for name in [before.name.clone(), unproven] {
        if name != before.name {
            bench.runtime.rename(&before.runtime_id, &name).await.expect("the engine renames it");
        }
        let cancel = CancellationToken::new();
        let progress = Arc::new(CancelAtHealth(cancel.clone()));
        let context = StepContext { progress, cancel, task, ..StepContext::detached() };
        let error = bench.deployer.deploy(&request, &context).await.expect_err("it was cancelled");
        assert_eq!(error.kind(), DeployErrorKind::Cancelled, "{error}");
        let after = bench.only_instance().await;
        assert_eq!((after.runtime_id, after.state), (before.runtime_id.clone(), InstanceState::Running), "{name}");
    }
}

/// Waits until an instance of this generation runs.
async fn until_running(bench: &Bench, generation: u64) {
    let is_up = |i: &crate::stack::Instance| i.generation.0 == generation && i.state == InstanceState::Running;
    while !bench.instances().await.iter().any(is_up) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
