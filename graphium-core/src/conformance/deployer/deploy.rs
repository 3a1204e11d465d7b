//! Deploying what can be deployed.

use std::collections::BTreeMap;

use super::Behaviour;
use super::bench::{Bench, action};
use crate::deploy::{DeployRequest, Deployer, RuntimeMount, StepContext, label};
use crate::id::Slot;
use crate::stack::{
    Health, InstanceState, MountSource, MountSpec, NetworkSpec, PortSpec, Protocol, PullPolicy, ResourceLimits,
    RestartPolicy,
};
use crate::task::PrefetchPayload;

const MIB: u64 = 1 << 20;

pub(super) async fn a_deployed_container_is_what_its_spec_says(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.env.insert("GREETING".into(), "a = \"b\" $HOME ü".into());
    spec.labels.insert("team".into(), "blue".into());
    spec.args.push("--last".into());
    spec.ports.push(PortSpec { container_port: 80, host_port: None, protocol: Protocol::Tcp, host_ip: None });
    let data = MountSource::Volume { name: "data".into(), driver: None, external: false };
    spec.mounts.push(MountSpec { source: data, target: "/data".into(), read_only: true });
    spec.mounts.push(MountSpec { source: MountSource::Tmpfs, target: "/scratch".into(), read_only: false });
    spec.resources.limits = ResourceLimits { cpu_millis: Some(500), memory_bytes: Some(64 * MIB) };
    spec.restart_policy = RestartPolicy::OnFailure { max_retries: 4 };
    let wanted = spec.clone();

    let outcome = bench.deploy(&Bench::request_on(spec, NetworkSpec::bridge("net"))).await;

    let instance = bench.only_instance().await;
    assert_eq!(outcome.instances[0].runtime_id, instance.runtime_id);
    assert_eq!(outcome.instances[0].spec_hash.as_ref(), Some(&instance.spec_hash));
    assert!(instance.is_good(), "{instance:?}");
    assert!(matches!(instance.ports[..], [ref port] if port.container_port == 80 && port.host_port > 0));
    let seen = bench.inspect(&instance.runtime_id).await;
    assert_eq!(seen.env["GREETING"], "a = \"b\" $HOME ü");
    assert_eq!(seen.container.labels["team"], "blue");
    assert_eq!(seen.container.labels[label::HOST], "conformance");
    let words: Vec<_> = wanted.command.iter().chain(&wanted.args).cloned().collect();
    assert!(seen.command.ends_with(&words), "{:?} ends with {words:?}", seen.command);
    assert_eq!((seen.limits, seen.restart_policy), (wanted.resources.limits, wanted.restart_policy));
    let stack = Bench::stack();
    assert_eq!(seen.networks, [bench.owner.object_name(Some(&stack), "net")]);
    let name = bench.owner.object_name(Some(&stack), "data");
    assert!(seen.mounts.contains(&RuntimeMount::Volume { name, target: "/data".into(), read_only: true }));
    assert!(seen.mounts.contains(&RuntimeMount::Tmpfs { target: "/scratch".into() }));
}

pub(super) async fn a_repeated_deploy_changes_nothing(bench: &Bench) {
    let request = Bench::request(bench.spec("web", Behaviour::Serves), 1);
    assert_eq!(action(&bench.deploy(&request).await), "created");
    let before = bench.only_instance().await;

    // A later deployment that wants the same spec adopts what is there.
    let later = DeployRequest { generation: request.generation.next(), ..request };
    assert_eq!(action(&bench.deploy(&later).await), "unchanged");
    assert_eq!(bench.only_instance().await, before);
}

pub(super) async fn a_stopped_instance_of_the_same_spec_is_started(bench: &Bench) {
    let request = Bench::request(bench.spec("web", Behaviour::Serves), 1);
    bench.deploy(&request).await;
    let before = bench.only_instance().await;
    bench.runtime.stop(&before.runtime_id, Some(1)).await.expect("the engine stops it");

    assert_eq!(action(&bench.deploy(&request).await), "started");
    let after = bench.only_instance().await;
    assert_eq!((after.runtime_id, after.state), (before.runtime_id, InstanceState::Running));
}

pub(super) async fn restart_policy_and_limits_change_in_place(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.resources.limits.memory_bytes = Some(32 * MIB);
    bench.deploy(&Bench::request(spec.clone(), 1)).await;
    let before = bench.only_instance().await;

    spec.restart_policy = RestartPolicy::UnlessStopped;
    spec.resources.limits = ResourceLimits { cpu_millis: Some(250), memory_bytes: Some(128 * MIB) };
    let wanted = (spec.restart_policy, spec.resources.limits);
    assert_eq!(action(&bench.deploy(&Bench::request(spec, 2)).await), "updated");

    let seen = bench.inspect(&before.runtime_id).await;
    assert_eq!((seen.restart_policy, seen.limits), wanted);
}

pub(super) async fn a_limit_that_is_lifted_needs_a_new_container(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.resources.limits.memory_bytes = Some(32 * MIB);
    bench.deploy(&Bench::request(spec.clone(), 1)).await;
    let before = bench.only_instance().await;

    spec.resources.limits = ResourceLimits::default();
    assert_eq!(action(&bench.deploy(&Bench::request(spec, 2)).await), "replaced");
    let after = bench.only_instance().await;
    assert_ne!(after.runtime_id, before.runtime_id);
    assert_eq!(bench.inspect(&after.runtime_id).await.limits, ResourceLimits::default());
}

pub(super) async fn another_spec_replaces_the_instance_under_the_same_name(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    bench.deploy(&Bench::request(spec.clone(), 1)).await;
    let before = bench.only_instance().await;

    spec.env.insert("VERSION".into(), "2".into());
    assert_eq!(action(&bench.deploy(&Bench::request(spec, 2)).await), "replaced");
    let after = bench.only_instance().await;
    assert_ne!(after.runtime_id, before.runtime_id);
    assert_eq!(after.name, before.name);
    assert_eq!(bench.inspect(&after.runtime_id).await.env["VERSION"], "2");
}

pub(super) async fn an_explicit_name_is_kept_through_a_replacement(bench: &Bench) {
    let name = bench.unique("explicit");
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.container_name = Some(name.clone());
    bench.deploy(&Bench::request(spec.clone(), 1)).await;
    assert_eq!(bench.only_instance().await.name, name);

    spec.env.insert("VERSION".into(), "2".into());
    bench.deploy(&Bench::request(spec, 2)).await;
    assert_eq!(bench.only_instance().await.name, name);
}

pub(super) async fn each_replica_is_an_instance_of_its_own(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.replicas = 2;
    let first = Bench::request(spec, 1);
    let second = DeployRequest { slot: Slot(1), ..first.clone() };
    tokio::join!(bench.deploy(&first), bench.deploy(&second));
    let slots: Vec<_> = bench.instances().await.iter().map(|instance| instance.slot).collect();
    assert_eq!(slots, [Slot(0), Slot(1)]);
}

pub(super) async fn a_job_that_ends_with_0_is_good(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("job", Behaviour::Completes), 1)).await;
    assert_eq!(bench.only_instance().await.state, InstanceState::Exited { exit_code: 0 });
}

pub(super) async fn a_deploy_waits_for_the_health_check(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::TurnsHealthy), 1)).await;
    assert_eq!(bench.only_instance().await.health, Health::Healthy);
}

pub(super) async fn a_prefetched_image_is_reported(bench: &Bench) {
    let image = bench.spec("web", Behaviour::Serves).image;
    let payload = PrefetchPayload { images: BTreeMap::from([(image.clone(), PullPolicy::IfNotPresent)]) };
    let outcome = bench.deployer.prefetch(&payload, &StepContext::detached()).await.expect("the image is there");
    let report = &outcome.data["images"][0];
    assert_eq!(report["reference"], image);
    assert_eq!(report["before"], report["after"]);
    assert!(report["after"].is_string(), "{report}");
}
