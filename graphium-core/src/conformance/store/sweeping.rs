//! Sweep: what time decides.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{agent, task};
use crate::event::EventType;
use crate::store::{HostState, StoreSettings};
use crate::task::{FailureCode, TaskState, TaskStatus};

const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn a_lost_lease_costs_one_retry_and_no_wait(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.claim_one().await;
    harness.pass(StoreSettings::default().lease - SECOND);
    assert_eq!(harness.store.sweep().await.unwrap(), 0);
    harness.pass(SECOND);
    assert_eq!(harness.store.sweep().await.unwrap(), 1);

    let lost = harness.task(id).await;
    let TaskState::Pending { last_failure: Some(failure), .. } = lost.state else { panic!("it waits: {lost:?}") };
    assert_eq!((failure.code, lost.retry_count, lost.ready_at), (FailureCode::Lost, 1, harness.now()));
    assert_eq!(worker.claim_ids(1).await, [id], "at once");
}

pub(super) async fn a_lost_task_fails_when_no_retry_is_left(harness: &StoreHarness) {
    let mut once = task();
    once.max_retries = 0;
    let id = harness.submit_one(once).await;
    let child = harness.submit_one(task().after([id])).await;
    harness.worker("vm1").claim_one().await;
    harness.pass(StoreSettings::default().lease);
    harness.store.sweep().await.unwrap();

    let TaskState::Failed { failure, .. } = harness.task(id).await.state else { panic!("it failed") };
    assert_eq!(failure.code, FailureCode::Lost);
    assert_eq!(harness.status(child).await, TaskStatus::Cancelled);
}

pub(super) async fn a_deadline_is_kept_by_the_store_after_its_grace(harness: &StoreHarness) {
    let mut short = task();
    short.timeout = SECOND * 5;
    let id = harness.submit_one(short).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.pass(SECOND * 5 + StoreSettings::default().deadline_grace - SECOND);
    worker.call(worker.working_on(&claimed)).await;
    assert_eq!(harness.store.sweep().await.unwrap(), 0, "the agent may still report");
    harness.pass(SECOND);
    assert_eq!(harness.store.sweep().await.unwrap(), 1);

    let late = harness.task(id).await;
    let TaskState::Pending { last_failure: Some(failure), .. } = &late.state else { panic!("it waits: {late:?}") };
    assert_eq!((failure.code, late.retry_count), (FailureCode::Timeout, 1));
    let history = harness.store.history(id).await.unwrap();
    assert_eq!(history.attempts[0].ended.as_deref(), Some("timeout"));
    let answer = worker.call(worker.working_on(&claimed)).await;
    assert_eq!(answer.directives.len(), 1, "its agent hears that it is lost");
}

pub(super) async fn a_silent_host_is_unknown_and_then_down(harness: &StoreHarness) {
    let settings = StoreSettings::default();
    let worker = harness.worker("vm1");
    worker.call(worker.hello()).await;
    harness.pass(settings.lease);
    harness.store.sweep().await.unwrap();
    assert_eq!(harness.host("vm1").await.state, HostState::Unknown);

    harness.pass(settings.down_after - SECOND);
    harness.store.sweep().await.unwrap();
    assert_eq!(harness.host("vm1").await.state, HostState::Unknown);
    harness.pass(SECOND);
    harness.store.sweep().await.unwrap();
    assert_eq!(harness.host("vm1").await.state, HostState::Down);

    let log = harness.log().await;
    let states: Vec<_> = log
        .iter()
        .filter(|event| event.kind == EventType::HostUpdated && event.agent_id == Some(agent("vm1")))
        .map(|event| event.data["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["unknown", "down"]);
}

pub(super) async fn a_host_that_speaks_again_is_ready(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.call(worker.hello()).await;
    harness.pass(StoreSettings::default().lease);
    harness.store.sweep().await.unwrap();

    worker.call(worker.hello()).await;

    assert_eq!(harness.host("vm1").await.state, HostState::Ready);
    let last = harness.log().await.pop().unwrap();
    assert_eq!((last.kind, last.data["previousState"].as_str()), (EventType::HostUpdated, Some("unknown")));
}

pub(super) async fn a_second_sweep_changes_nothing(harness: &StoreHarness) {
    harness.submit_one(task()).await;
    harness.worker("vm1").claim_one().await;
    harness.pass(Duration::from_secs(3600));
    harness.store.sweep().await.unwrap();
    let log = harness.log().await;

    assert_eq!(harness.store.sweep().await.unwrap(), 0);
    assert_eq!(harness.log().await, log);
}
