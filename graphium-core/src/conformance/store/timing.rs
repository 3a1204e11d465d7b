//! Timing: what a store does when somebody sets its host's clock.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{refused, task};
use crate::store::{HostState, StoreSettings};
use crate::task::{FailureCode, TaskState, TaskStatus};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) async fn a_clock_that_jumps_ahead_ends_no_lease_and_no_deadline(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.clock.set(harness.now().after(YEAR));

    assert_eq!(harness.store.sweep().await.unwrap(), 0);
    worker.call(worker.working_on(&claimed)).await;
    harness.pass(StoreSettings::default().lease - SECOND * 3);
    assert_eq!(harness.store.sweep().await.unwrap(), 0, "its agent still has time, and less only by a little");
    assert_eq!(harness.host("vm1").await.state, HostState::Ready);
    harness.pass(SECOND * 3);
    assert_eq!(harness.store.sweep().await.unwrap(), 1);

    let TaskState::Pending { last_failure: Some(failure), .. } = harness.task(id).await.state else {
        panic!("it waits")
    };
    assert_eq!(failure.code, FailureCode::Lost);
}

pub(super) async fn a_clock_that_jumps_ahead_is_caught_up_with(harness: &StoreHarness) {
    harness.submit_one(task()).await;
    harness.clock.set(harness.now().after(SECOND * 10));
    harness.pass(Duration::from_secs(3600));

    let id = harness.submit_one(task()).await;

    assert_eq!(harness.task(id).await.created_at, harness.now());
}

pub(super) async fn a_clock_that_jumps_back_freezes_nothing(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.work(refused()).await;
    let backoff = harness.task(id).await.ready_at.since(harness.now());
    harness.clock.set(harness.now().before(YEAR));
    harness.pass(backoff);
    assert_eq!(worker.claim_ids(1).await, [id], "the backoff is over");

    harness.pass(StoreSettings::default().lease);

    assert_eq!(harness.store.sweep().await.unwrap(), 1, "the lease is over");
    assert_eq!(harness.status(id).await, TaskStatus::Pending);
}

pub(super) async fn a_clock_that_steps_back_changes_no_order(harness: &StoreHarness) {
    let first = harness.submit_one(task()).await;
    let at = harness.now();
    harness.clock.set(at.before(Duration::from_secs(3600)));
    let second = harness.submit_one(task()).await;

    let worker = harness.worker("vm1");
    assert_eq!(worker.claim_ids(9).await, [first, second]);
    assert_eq!(harness.store.sweep().await.unwrap(), 0);
    let log = harness.log().await;
    assert!(log.iter().all(|event| event.timestamp >= at), "time in a store never runs backwards: {log:?}");
}
