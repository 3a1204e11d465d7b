//! Retry by an operator: the way back, for a task and those that fell with it.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{broken, completed, refused, task, task_of};
use crate::id::Attempt;
use crate::store::StoreErrorKind;
use crate::task::{NewTask, TaskStatus};

use TaskStatus::{Cancelled, Completed, Failed, Pending};

pub(super) async fn a_failed_task_is_tried_again_with_a_fresh_budget(harness: &StoreHarness) {
    let mut once = task();
    once.max_retries = 1;
    let id = harness.submit_one(once).await;
    let worker = harness.worker("vm1");
    worker.work(refused()).await;
    harness.pass(Duration::from_secs(20));
    worker.work(refused()).await;
    assert_eq!(harness.status(id).await, Failed);
    harness.pass(Duration::from_secs(5));

    let again = harness.store.retry(id, "ann").await.unwrap();

    assert_eq!((again.status(), again.retry_count, again.attempt), (Pending, 0, Attempt(2)));
    assert_eq!(again.ready_at, harness.now());
    assert_eq!(worker.claim_one().await.attempt(), Attempt(3));
}

pub(super) async fn a_retry_brings_back_what_fell_with_the_task(harness: &StoreHarness) {
    let parent = task();
    let child = task().after([parent.id]);
    let grandchild = task().after([child.id, parent.id]);
    let ids = harness.submit([parent, child, grandchild]).await;
    let worker = harness.worker("vm1");
    worker.work(broken()).await;
    assert_eq!(harness.statuses(&ids).await, [Failed, Cancelled, Cancelled]);

    harness.store.retry(ids[0], "ann").await.unwrap();

    assert_eq!(harness.statuses(&ids).await, [Pending; 3]);
    for id in &ids {
        assert_eq!(worker.work(completed()).await.task.id(), *id, "in the order of dependency");
    }
    assert_eq!(harness.statuses(&ids).await, [Completed; 3]);
}

pub(super) async fn a_retry_leaves_what_another_failure_cancelled(harness: &StoreHarness) {
    let parents = harness.submit([task(), task()]).await;
    let child = harness.submit_one(task().after(parents.clone())).await;
    let other = harness.submit_one(task().after([parents[1]])).await;
    let worker = harness.worker("vm1");
    worker.work(broken()).await;
    worker.work(broken()).await;

    harness.store.retry(parents[0], "ann").await.unwrap();

    assert_eq!(harness.statuses(&parents).await, [Pending, Failed]);
    assert_eq!(harness.statuses(&[child, other]).await, [Cancelled, Cancelled]);
}

pub(super) async fn what_two_failures_cancelled_comes_back_with_the_second(harness: &StoreHarness) {
    let parents = harness.submit([task(), task()]).await;
    let child = harness.submit_one(task().after(parents.clone())).await;
    let worker = harness.worker("vm1");
    worker.work(broken()).await;
    worker.work(broken()).await;

    harness.store.retry(parents[0], "ann").await.unwrap();
    worker.work(completed()).await;
    harness.store.retry(parents[1], "ann").await.unwrap();

    assert_eq!(harness.status(child).await, Pending);
    worker.work(completed()).await;
    assert_eq!(worker.claim_ids(1).await, [child]);
}

pub(super) async fn what_was_cancelled_on_request_stays_cancelled(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let child = harness.submit_one(task().after([parent])).await;
    harness.store.cancel(child, "ann").await.unwrap();
    harness.worker("vm1").work(broken()).await;

    harness.store.retry(parent, "ann").await.unwrap();

    assert_eq!(harness.statuses(&[parent, child]).await, [Pending, Cancelled]);
}

pub(super) async fn only_a_failed_or_cancelled_task_is_retried(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    assert_eq!(harness.store.retry(id, "ann").await.unwrap_err().kind(), StoreErrorKind::Conflict);
    let claimed = worker.claim_one().await;
    assert_eq!(harness.store.retry(id, "ann").await.unwrap_err().kind(), StoreErrorKind::Conflict);
    worker.report(&claimed, completed()).await;
    assert_eq!(harness.store.retry(id, "ann").await.unwrap_err().kind(), StoreErrorKind::Conflict);

    let cancelled = harness.submit_one(task()).await;
    harness.store.cancel(cancelled, "ann").await.unwrap();
    assert_eq!(harness.store.retry(cancelled, "ann").await.unwrap().status(), Pending);
}

pub(super) async fn a_task_whose_dependency_fell_is_not_retried_alone(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let child = harness.submit_one(task().after([parent])).await;
    harness.worker("vm1").work(broken()).await;

    let error = harness.store.retry(child, "ann").await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert!(error.to_string().contains(&parent.to_string()), "{error}");
}

pub(super) async fn a_superseded_task_is_not_retried(harness: &StoreHarness) {
    let free = |generation| NewTask { lane: None, ..task_of(generation) };
    let old = free(1);
    let child = free(1).after([old.id]);
    let ids = harness.submit([old, child]).await;
    harness.worker("vm1").work(broken()).await;
    harness.submit_one(free(2)).await;

    let error = harness.store.retry(ids[0], "ann").await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Superseded);
    assert_eq!(harness.statuses(&ids).await, [Failed, Cancelled]);
}
