//! Delete, stop, start, restart, update, and what an instance wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Behaviour;
use super::bench::{Bench, action};
use crate::deploy::{DeployErrorKind, Deployer, StepContext, UpdateRequest};
use crate::stack::{InstanceState, RestartPolicy};
use crate::task::UpdateSpec;

pub(super) async fn deleting_twice_is_success_and_leaves_nothing(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    assert_eq!(action(&bench.delete("web").await), "removed");
    bench.is_empty().await;
    assert!(bench.delete("web").await.instances.is_empty());
}

pub(super) async fn stop_start_and_restart_may_be_repeated(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let (target, context) = (Bench::target("web"), StepContext::detached());
    let id = bench.only_instance().await.runtime_id;

    for wanted in ["stopped", "unchanged"] {
        let outcome = bench.deployer.stop(&target, Some(1), &context).await.expect("it stops");
        assert_eq!(action(&outcome), wanted);
        assert!(matches!(bench.only_instance().await.state, InstanceState::Exited { .. }));
    }
    for wanted in ["started", "unchanged"] {
        let outcome = bench.deployer.start(&target, &context).await.expect("it starts");
        assert_eq!(action(&outcome), wanted);
        assert!(bench.only_instance().await.is_good());
    }
    for _ in 0..2 {
        let started_at = bench.inspect(&id).await.started_at;
        let outcome = bench.deployer.restart(&target, Some(1), &context).await.expect("it restarts");
        assert_eq!(action(&outcome), "restarted");
        assert_ne!(bench.inspect(&id).await.started_at, started_at);
    }
    assert_eq!(bench.only_instance().await.runtime_id, id);
}

pub(super) async fn what_is_missing_is_stopped_already_and_cannot_be_started(bench: &Bench) {
    let (target, context) = (Bench::target("web"), StepContext::detached());
    let stopped = bench.deployer.stop(&target, None, &context).await.expect("it does not run");
    assert!(stopped.instances.is_empty() && stopped.warnings.len() == 1, "{stopped:?}");
    let error = bench.deployer.start(&target, &context).await.expect_err("there is nothing to start");
    assert_eq!(error.kind(), DeployErrorKind::NotFound);
    assert!(error.to_string().contains("web/0 of stack shop"), "{error}");
}

pub(super) async fn a_container_that_ignores_the_stop_is_killed_in_time(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::IgnoresStop);
    spec.stop_timeout = 600;
    bench.deploy(&Bench::request(spec, 1)).await;
    let (target, context) = (Bench::target("web"), StepContext::detached());
    let stop = bench.deployer.stop(&target, Some(1), &context);
    tokio::time::timeout(Duration::from_secs(30), stop).await.expect("within its time").expect("it stops");
    assert_eq!(bench.only_instance().await.state, InstanceState::Exited { exit_code: 137 });
}

pub(super) async fn another_image_or_variable_replaces_an_instance_by_its_own_definition(bench: &Bench) {
    let mut spec = bench.spec("web", Behaviour::Serves);
    spec.env = BTreeMap::from([("A".into(), "1".into()), ("B".into(), "1".into())]);
    bench.deploy(&Bench::request(spec, 1)).await;
    let before = bench.only_instance().await;
    let context = StepContext::detached();
    let update = |changes| UpdateRequest { target: Bench::target("web"), changes };

    let in_place = UpdateSpec { restart_policy: Some(RestartPolicy::Always), ..UpdateSpec::default() };
    let outcome = bench.deployer.update(&update(in_place), &context).await.expect("the policy changes");
    assert_eq!(action(&outcome), "updated");
    assert_eq!(bench.only_instance().await.runtime_id, before.runtime_id);

    let image = bench.spec("web", Behaviour::ServesOtherwise).image;
    let env = BTreeMap::from([("B".into(), "2".into())]);
    let replacing = update(UpdateSpec { image: Some(image.clone()), env, ..UpdateSpec::default() });
    let outcome = bench.deployer.update(&replacing, &context).await.expect("the instance is replaced");
    assert_eq!(action(&outcome), "replaced");
    let after = bench.only_instance().await;
    let seen = bench.inspect(&after.runtime_id).await;
    assert_eq!((after.image, &*seen.env["A"], &*seen.env["B"]), (image, "1", "2"));
    assert_eq!((seen.restart_policy, after.name), (RestartPolicy::Always, before.name));

    // The same wish again finds it fulfilled.
    let again = bench.deployer.update(&replacing, &context).await.expect("nothing is to do");
    assert_eq!(action(&again), "unchanged");
}

pub(super) async fn the_last_lines_of_an_instance_can_be_read(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let lines = bench.deployer.logs(&Bench::target("web"), 5).await.expect("it wrote something");
    assert!(lines.iter().any(|line| line.text == "serving"), "{lines:?}");
    assert!(lines.len() <= 5, "{lines:?}");
}

pub(super) async fn a_new_instance_is_told(bench: &Bench) {
    bench.deploy(&Bench::request(bench.spec("web", Behaviour::Serves), 1)).await;
    let told = async {
        // It may answer for what was before; the end must be told too.
        while !matches!(bench.only_instance().await.state, InstanceState::Exited { .. }) {
            bench.deployer.changed().await;
        }
    };
    let id = bench.only_instance().await.runtime_id;
    let (told, stopped) =
        tokio::join!(tokio::time::timeout(Duration::from_secs(30), told), bench.runtime.stop(&id, Some(1)));
    stopped.expect("the engine stops it");
    told.expect("the change is told in time");
}
