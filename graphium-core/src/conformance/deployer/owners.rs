//! Several owners on one engine.

use super::Behaviour;
use super::bench::Bench;
use crate::deploy::{DeleteRequest, DeployErrorKind, DeployRequest, Deployer, InstanceTarget, StepContext};
use crate::id::ContainerName;
use crate::stack::NetworkSpec;

pub(super) async fn two_owners_with_one_stack_name_never_meet(bench: &Bench) {
    let other = bench.other_host();
    let request = Bench::request_on(bench.spec("web", Behaviour::Serves), NetworkSpec::bridge("net"));
    bench.deploy(&request).await;
    other.deploy(&request, &StepContext::detached()).await.expect("the other deploys the same");

    let (own, theirs) = (bench.only_instance().await, other.observe().await.expect("the engine answers"));
    assert_eq!(theirs.len(), 1);
    assert_ne!(own.name, theirs[0].name);

    bench.delete("web").await;
    bench.clean_up(&bench.deployer, true).await;
    bench.is_empty().await;
    assert_eq!(other.observe().await.expect("the engine answers"), theirs);
}

pub(super) async fn a_clean_up_removes_the_whole_stack_and_may_be_repeated(bench: &Bench) {
    let plain = bench.foreign_container(&bench.plain_config(bench.unique("bystander"))).await;
    for name in ["web", "api"] {
        bench.deploy(&Bench::request_on(bench.spec(name, Behaviour::Serves), NetworkSpec::bridge("net"))).await;
    }
    assert_eq!(bench.clean_up(&bench.deployer, true).await.instances.len(), 2);
    bench.is_empty().await;
    let networks = bench.runtime.networks(&bench.owner.labels()).await.expect("the engine answers");
    assert!(networks.is_empty(), "{networks:?}");

    assert!(bench.clean_up(&bench.deployer, true).await.instances.is_empty());
    assert_eq!(bench.inspect(&plain.container.id).await, plain);
}

pub(super) async fn an_id_of_somebody_elses_container_is_not_seen(bench: &Bench) {
    let foreign = bench.foreign_container(&bench.plain_config(bench.unique("bystander"))).await;
    let target = InstanceTarget { runtime_id: Some(foreign.container.id.clone()), ..Bench::target("web") };
    let context = StepContext::detached();

    let request = DeleteRequest { target: target.clone(), force: true, remove_volumes: true, stop_timeout: None };
    let outcome = bench.deployer.delete(&request, &context).await.expect("for us it is not there");
    assert!(outcome.instances.is_empty(), "{outcome:?}");
    bench.deployer.stop(&target, Some(1), &context).await.expect("for us it does not run");
    bench.deployer.restart(&target, Some(1), &context).await.expect_err("for us it is not there");
    assert_eq!(bench.inspect(&foreign.container.id).await, foreign);
}

pub(super) async fn the_beginning_of_an_id_is_no_name(bench: &Bench) {
    let bare = DeployRequest { stack: None, ..Bench::request(bench.spec("web", Behaviour::Serves), 1) };
    bench.deploy(&bare).await;
    let before = bench.only_instance().await;
    let beginning = &before.runtime_id[..before.runtime_id.len() - 1];
    assert_eq!(bench.inspect(beginning).await.container.id, before.runtime_id, "the engine takes it for the id");

    let container = Some(ContainerName::new(beginning).expect("an id is made of letters and digits"));
    let target = InstanceTarget { stack: None, container, ..Bench::target("web") };
    let refused = bench.deployer.restart(&target, Some(1), &StepContext::detached()).await;
    assert_eq!(refused.expect_err("no container has the name").kind(), DeployErrorKind::NotFound);
    assert_eq!(bench.only_instance().await, before);

    // The name is free for the successor of another container.
    bench.deploy(&Bench::request(bench.spec("api", Behaviour::Serves), 1)).await;
    let mut spec = bench.spec("api", Behaviour::Serves);
    spec.container_name = Some(beginning.to_owned());
    let outcome = bench.deploy(&Bench::request(spec, 2)).await;
    assert_eq!(bench.inspect(&outcome.instances[0].runtime_id).await.container.name, beginning);
}
