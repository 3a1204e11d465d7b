//! Lanes: one task of a lane is in flight, in order of generation and submission.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{completed, refused, task, task_in_lane, task_of};
use crate::task::{BACKOFF_CAP, NewTask, Priority, TaskStatus};

pub(super) async fn a_lane_has_one_task_in_flight(harness: &StoreHarness) {
    let ids = harness.submit([task_in_lane(), task_in_lane()]).await;
    let worker = harness.worker("vm1");
    let first = worker.claim_one().await;
    assert_eq!(first.task.id(), ids[0]);
    assert_eq!(worker.claim_ids(1).await, []);

    worker.report(&first, completed()).await;

    assert_eq!(worker.claim_ids(1).await, [ids[1]]);
}

pub(super) async fn a_claim_for_many_takes_one_of_a_lane(harness: &StoreHarness) {
    let lane = harness.submit([task_in_lane(), task_in_lane()]).await;
    let free = harness.submit_one(task()).await;
    assert_eq!(harness.worker("vm1").claim_ids(9).await, [lane[0], free]);
}

pub(super) async fn priority_does_not_overtake_in_a_lane(harness: &StoreHarness) {
    let first = harness.submit_one(task_in_lane()).await;
    let mut urgent = task_in_lane();
    urgent.priority = Priority::HIGHEST;
    let urgent = harness.submit_one(urgent).await;
    let worker = harness.worker("vm1");

    assert_eq!(worker.work(completed()).await.task.id(), first);
    assert_eq!(worker.work(completed()).await.task.id(), urgent);
}

pub(super) async fn a_higher_generation_stands_behind_in_a_lane(harness: &StoreHarness) {
    let first = harness.submit_one(task_of(1)).await;
    let worker = harness.worker("vm1");
    let in_flight = worker.claim_one().await;
    let delete = NewTask { priority: Priority::DELETE, ..task_of(2) };
    let second = harness.submit_one(delete).await;

    assert_eq!(worker.claim_ids(1).await, []);
    assert_eq!(worker.report(&in_flight, completed()).await, crate::store::ReportAnswer::Accepted);
    assert_eq!(worker.claim_ids(1).await, [second]);
    assert_eq!(harness.status(first).await, TaskStatus::Completed);
}

pub(super) async fn a_backoff_holds_its_lane(harness: &StoreHarness) {
    let ids = harness.submit([task_in_lane(), task_in_lane()]).await;
    let worker = harness.worker("vm1");
    worker.work(refused()).await;
    let backoff = harness.task(ids[0]).await.ready_at.since(harness.now());
    if !backoff.is_zero() {
        assert_eq!(worker.claim_ids(9).await, [], "the next one does not overtake");
    }

    harness.pass(BACKOFF_CAP.max(Duration::from_secs(1)));

    assert_eq!(worker.claim_ids(9).await, [ids[0]]);
}

pub(super) async fn a_lane_follows_the_dependencies_within_it(harness: &StoreHarness) {
    let last = task_in_lane();
    let first = task_in_lane().after([last.id]);
    let order = [last.id, first.id];
    harness.submit([first, last]).await;
    let worker = harness.worker("vm1");
    for id in order {
        assert_eq!(worker.work(completed()).await.task.id(), id, "the lane does not stand still");
    }
}
