//! Inventory: what hosts observe, the newest of it, and what changed.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{completed, instance, stack, task};
use crate::event::{Event, EventType};
use crate::stack::{EngineInfo, InstanceState};
use crate::store::{MAX_INSTANCES, StoreErrorKind};

async fn container_events(harness: &StoreHarness) -> Vec<Event> {
    use EventType::{ContainerAdded, ContainerRemoved, ContainerUpdated};
    let mut log = harness.log().await;
    log.retain(|event| [ContainerAdded, ContainerUpdated, ContainerRemoved].contains(&event.kind));
    log
}

pub(super) async fn what_a_host_has_is_shown_and_logged(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.observe(1, vec![instance("c1"), instance("c2")]).await.unwrap();

    let host = harness.host("vm1").await;
    assert_eq!(host.instances, [instance("c1"), instance("c2")]);
    assert_eq!((host.observed_at, host.inventory_seq), (Some(harness.now()), 1));
    assert_eq!(host.inventory_session, Some(worker.session));
    assert_eq!(host.engine.unwrap().name, "memory");
    let log = container_events(harness).await;
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].kind, log[0].stack_id.clone()), (EventType::ContainerAdded, Some(stack("shop"))));
    assert_eq!(log[0].data["runtimeId"], "c1");
}

pub(super) async fn differences_are_logged_and_nothing_else(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.observe(1, vec![instance("same"), instance("changes"), instance("goes")]).await.unwrap();
    let mut changed = instance("changes");
    changed.state = InstanceState::Exited { exit_code: 1 };
    let before = container_events(harness).await.len();

    worker.observe(2, vec![instance("same"), changed, instance("new")]).await.unwrap();

    let log = container_events(harness).await;
    let mut news: Vec<_> =
        log[before..].iter().map(|event| (event.kind, event.data["runtimeId"].as_str().unwrap())).collect();
    news.sort_unstable();
    use EventType::{ContainerAdded, ContainerRemoved, ContainerUpdated};
    assert_eq!(news, [(ContainerAdded, "new"), (ContainerUpdated, "changes"), (ContainerRemoved, "goes")]);
}

pub(super) async fn an_older_inventory_is_dropped(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.observe(5, vec![instance("c1")]).await.unwrap();
    worker.observe(4, Vec::new()).await.unwrap();
    worker.observe(5, Vec::new()).await.unwrap();

    let host = harness.host("vm1").await;
    assert_eq!((host.inventory_seq, host.instances.len()), (5, 1));
    assert_eq!(container_events(harness).await.len(), 1);
}

pub(super) async fn a_new_session_starts_its_count_again(harness: &StoreHarness) {
    harness.worker("vm1").observe(9, vec![instance("c1")]).await.unwrap();
    let new = harness.worker("vm1");
    new.observe(1, Vec::new()).await.unwrap();

    let host = harness.host("vm1").await;
    assert_eq!((host.inventory_session, host.inventory_seq), (Some(new.session), 1));
    assert_eq!(host.instances, []);
}

pub(super) async fn an_engine_that_does_not_answer_leaves_the_instances(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.observe(1, vec![instance("c1")]).await.unwrap();
    let observed_at = harness.now();
    harness.submit_one(task()).await;
    harness.pass(Duration::from_secs(1));
    worker.work(completed()).await;

    worker.observe_on(None, 2, Vec::new()).await.unwrap();

    let host = harness.host("vm1").await;
    assert_eq!((host.instances.len(), host.observed_at), (1, Some(observed_at)));
    assert!(!host.is_observed_since_its_last_task());
    assert_eq!(container_events(harness).await.len(), 1);
    harness.pass(Duration::from_secs(1));
    worker.observe(3, vec![instance("c1")]).await.unwrap();
    assert!(harness.host("vm1").await.is_observed_since_its_last_task());
}

pub(super) async fn an_inventory_that_was_begun_before_a_task_ended_does_not_show_it(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.observe(1, Vec::new()).await.unwrap();
    let known = worker.call(worker.hello()).await.attempts_ended;
    harness.submit_one(task()).await;
    worker.work(completed()).await;
    harness.pass(Duration::from_secs(1));

    worker.observe_knowing(known, Some(EngineInfo::default()), 2, Vec::new()).await.unwrap();
    assert!(!harness.host("vm1").await.is_observed_since_its_last_task());

    let known = worker.call(worker.hello()).await.attempts_ended;
    worker.observe_knowing(known, Some(EngineInfo::default()), 3, Vec::new()).await.unwrap();
    assert!(harness.host("vm1").await.is_observed_since_its_last_task());
}

pub(super) async fn an_inventory_of_a_session_that_is_over_is_refused(harness: &StoreHarness) {
    let old = harness.worker("vm1");
    old.observe(1, vec![instance("c1")]).await.unwrap();
    let new = harness.worker("vm1");
    new.call(new.hello()).await;

    let error = old.observe(2, Vec::new()).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::SessionEnded);
    assert_eq!(harness.host("vm1").await.instances.len(), 1);
}

pub(super) async fn an_inventory_at_its_limit_is_taken(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let most = (0..MAX_INSTANCES).map(|number| {
        let mut instance = instance(&format!("{number:064}"));
        instance.name = format!("{number:-<200}");
        instance
    });
    worker.observe(1, most.collect()).await.unwrap();
    assert_eq!(harness.host("vm1").await.instances.len(), MAX_INSTANCES);
}

pub(super) async fn an_inventory_over_a_limit_is_refused(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let many = vec![instance("c"); MAX_INSTANCES + 1];
    assert_eq!(worker.observe(1, many).await.unwrap_err().kind(), StoreErrorKind::Invalid);
    assert_eq!(harness.host("vm1").await.observed_at, None);
}
