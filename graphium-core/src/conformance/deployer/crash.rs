//! The caller crashes at each call to the engine; whoever comes next ends in the same state.

use std::sync::Arc;

use super::Behaviour;
use super::bench::Bench;
use super::cut::{Cut, Moment};
use crate::deploy::{
    CleanupRequest, DeleteRequest, DeployErrorKind, DeployRequest, Deployer, EngineDeployer, StepContext,
};
use crate::stack::{InstanceState, MountSource, MountSpec, NetworkSpec};

/// More calls than any verb makes: a case that gets there never ends by itself.
const TOO_MANY: usize = 200;

/// A deployer of the same host that crashes after so many calls.
fn crashing(bench: &Bench, calls: usize, moment: Moment) -> (Arc<Cut>, EngineDeployer) {
    let cut = Arc::new(Cut::after(calls, moment, Arc::clone(&bench.runtime)));
    let deployer = EngineDeployer::new(Arc::clone(&cut) as _, bench.owner.clone());
    (cut, deployer)
}

/// The moments of a crash, each n-th of them.
fn moments(bench: &Bench) -> impl Iterator<Item = (usize, Moment)> {
    let all = (0..TOO_MANY).flat_map(|calls| [(calls, Moment::Before), (calls, Moment::After)]);
    all.step_by(bench.cut_every())
}

/// A request that touches everything a deploy can make.
fn full_request(bench: &Bench, generation: u64) -> DeployRequest {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.min_uptime_seconds = 0;
    spec.env.insert("GENERATION".into(), generation.to_string());
    let source = MountSource::Volume { name: "data".into(), driver: None, external: false };
    spec.mounts.push(MountSpec { source, target: "/data".into(), read_only: false });
    DeployRequest { network: Some(NetworkSpec::bridge("net")), ..Bench::request(spec, generation) }
}

async fn is_the_one(bench: &Bench, request: &DeployRequest) {
    let instance = bench.only_instance().await;
    let wanted = bench.owner.instance_name(request.stack.as_ref(), &request.spec.name, request.slot, None);
    assert_eq!((instance.state, instance.name), (InstanceState::Running, wanted));
    assert_eq!(instance.spec_hash, crate::stack::spec_hash(&request.spec, request.network.as_ref()));
    let networks = bench.runtime.networks(&bench.owner.labels()).await.expect("the engine answers");
    assert_eq!(networks.len(), 1, "{networks:?}");
}

pub(super) async fn a_deploy_cut_off_anywhere_is_finished_by_the_next(bench: &Bench) {
    let request = full_request(bench, 1);
    for (calls, moment) in moments(bench) {
        let (cut, deployer) = crashing(bench, calls, moment);
        let uncut = cut.crash(deployer.deploy(&request, &StepContext::detached())).await;
        bench.deploy(&request).await;
        is_the_one(bench, &request).await;
        bench.clean_up(&bench.deployer, true).await;
        if let Some(result) = uncut {
            result.expect("uncut it succeeds");
            return;
        }
    }
    panic!("a deploy makes more than {TOO_MANY} calls");
}

pub(super) async fn a_replacement_cut_off_anywhere_is_finished_by_the_next(bench: &Bench) {
    let mut generation = 1;
    bench.deploy(&full_request(bench, generation)).await;
    for (calls, moment) in moments(bench) {
        generation += 1;
        let request = full_request(bench, generation);
        let (cut, deployer) = crashing(bench, calls, moment);
        let uncut = cut.crash(deployer.deploy(&request, &StepContext::detached())).await;
        bench.deploy(&request).await;
        is_the_one(bench, &request).await;
        if let Some(result) = uncut {
            result.expect("uncut it succeeds");
            return;
        }
    }
    panic!("a deploy makes more than {TOO_MANY} calls");
}

pub(super) async fn a_failing_replacement_cut_off_anywhere_never_loses_the_predecessor(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let served = bench.only_instance().await.runtime_id;
    let request = Bench::request(bench.spec("web", Behaviour::Fails), 2);
    for (calls, moment) in moments(bench) {
        let (cut, deployer) = crashing(bench, calls, moment);
        let uncut = cut.crash(deployer.deploy(&request, &StepContext::detached())).await;
        bench.refused(&request, DeployErrorKind::Exited).await;
        let instance = bench.only_instance().await;
        assert_eq!(
            (instance.runtime_id, instance.state),
            (served.clone(), InstanceState::Running),
            "{calls} {moment:?}"
        );
        if let Some(result) = uncut {
            result.expect_err("uncut it fails");
            return;
        }
    }
    panic!("a deploy makes more than {TOO_MANY} calls");
}

pub(super) async fn a_delete_cut_off_anywhere_is_finished_by_the_next(bench: &Bench) {
    let request = full_request(bench, 1);
    let delete =
        DeleteRequest { target: Bench::target("web"), force: false, remove_volumes: false, stop_timeout: Some(1) };
    for (calls, moment) in moments(bench) {
        bench.deploy(&request).await;
        let (cut, deployer) = crashing(bench, calls, moment);
        let uncut = cut.crash(deployer.delete(&delete, &StepContext::detached())).await;
        bench.delete("web").await;
        bench.is_empty().await;
        if let Some(result) = uncut {
            result.expect("uncut it succeeds");
            return;
        }
    }
    panic!("a delete makes more than {TOO_MANY} calls");
}

pub(super) async fn a_clean_up_cut_off_anywhere_is_finished_by_the_next(bench: &Bench) {
    let request = full_request(bench, 1);
    let cleanup = CleanupRequest { stack: Bench::stack(), remove_volumes: true };
    for (calls, moment) in moments(bench) {
        bench.deploy(&request).await;
        let (cut, deployer) = crashing(bench, calls, moment);
        let uncut = cut.crash(deployer.cleanup(&cleanup, &StepContext::detached())).await;
        bench.clean_up(&bench.deployer, true).await;
        bench.is_empty().await;
        let volumes = bench.runtime.volumes(&bench.owner.labels()).await.expect("the engine answers");
        assert!(volumes.is_empty(), "{volumes:?}");
        if let Some(result) = uncut {
            result.expect("uncut it succeeds");
            return;
        }
    }
    panic!("a clean-up makes more than {TOO_MANY} calls");
}
