//! Statistics: counters that follow every change.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{broken, completed, task, task_of};
use crate::task::{TaskStatus, TaskType};

pub(super) async fn the_counters_follow_every_change(harness: &StoreHarness) {
    let parent = task_of(1);
    let child = task().after([parent.id]);
    let ids = harness.submit([parent, child, task(), task()]).await;
    let worker = harness.worker("vm1");
    worker.work(broken()).await;
    worker.work(completed()).await;
    worker.claim_one().await;
    assert_eq!(harness.status(ids[1]).await, TaskStatus::Cancelled);

    let stats = harness.store.stats().await.unwrap();

    let counts: Vec<_> = TaskStatus::ALL.iter().map(|status| stats.by_status[status]).collect();
    assert_eq!(counts, [0, 1, 0, 1, 1, 1], "in the order of a life");
    assert_eq!(stats.by_type[&TaskType::Custom("backup".into())], 4);
    harness.store.retry(ids[0], "ann").await.unwrap();
    let stats = harness.store.stats().await.unwrap();
    assert_eq!((stats.by_status[&TaskStatus::Pending], stats.by_status[&TaskStatus::Failed]), (2, 0));
}

pub(super) async fn the_age_of_the_oldest_claimable_task_is_known(harness: &StoreHarness) {
    assert_eq!(harness.store.stats().await.unwrap().oldest_claimable_ms, None);
    let id = harness.submit_one(task()).await;
    harness.pass(Duration::from_secs(3));
    harness.submit_one(task().after([id])).await;
    assert_eq!(harness.store.stats().await.unwrap().oldest_claimable_ms, Some(3000));
    harness.worker("vm1").claim_one().await;
    assert_eq!(harness.store.stats().await.unwrap().oldest_claimable_ms, None);
}

pub(super) async fn waiting_and_running_are_measured(harness: &StoreHarness) {
    harness.submit_one(task()).await;
    harness.pass(Duration::from_secs(2));
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.pass(Duration::from_secs(7));
    worker.report(&claimed, completed()).await;

    let stats = harness.store.stats().await.unwrap();

    assert_eq!((stats.wait.p50_ms, stats.wait.p99_ms), (2000, 2000));
    assert_eq!((stats.run.p50_ms, stats.run.p99_ms), (7000, 7000));
}
