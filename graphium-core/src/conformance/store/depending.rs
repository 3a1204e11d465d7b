//! Dependencies: who waits for whom, and what a failure means to those behind it.

use super::StoreHarness;
use super::scene::{broken, cancel_reason, completed, refused, task};
use crate::id::TaskId;
use crate::store::{MAX_SLOTS, MAX_TASKS_PER_SUBMISSION, StoreErrorKind, Submission};
use crate::task::{CancelReason, TaskStatus};

use TaskStatus::{Cancelled, Completed, Failed, Pending};

pub(super) async fn a_dependant_waits_for_all_its_dependencies(harness: &StoreHarness) {
    let parents = harness.submit([task(), task()]).await;
    let child = harness.submit_one(task().after(parents.clone())).await;
    let worker = harness.worker("vm1");

    let claims = worker.claim(9).await;
    assert_eq!(claims.len(), 2);
    worker.report(&claims[0], completed()).await;
    assert_eq!(worker.claim_ids(9).await, []);
    worker.report(&claims[1], completed()).await;
    worker.report(&claims[1], completed()).await;
    assert_eq!(worker.claim_ids(9).await, [child]);
}

pub(super) async fn tasks_of_one_submission_may_depend_in_any_order(harness: &StoreHarness) {
    let last = task();
    let middle = task().after([last.id]);
    let first = task().after([middle.id, last.id]);
    let order = [last.id, middle.id, first.id];
    harness.submit([first, middle, last]).await;
    let worker = harness.worker("vm1");
    for id in order {
        assert_eq!(worker.work(completed()).await.task.id(), id);
    }
}

pub(super) async fn a_completed_dependency_counts_as_done(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.work(completed()).await;

    let child = harness.submit_one(task().after([parent])).await;

    assert_eq!(worker.claim_ids(1).await, [child]);
}

pub(super) async fn a_dependency_that_failed_before_cancels_at_once(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    harness.worker("vm1").work(broken()).await;
    let child = task().after([parent]);
    let grandchild = task().after([child.id]);

    let submitted = harness.try_submit([grandchild, child.clone()]).await.unwrap();

    assert_eq!(cancel_reason(&submitted[0]), CancelReason::DependencyFailed { dependency: child.id });
    assert_eq!(cancel_reason(&submitted[1]), CancelReason::DependencyFailed { dependency: parent });
}

pub(super) async fn a_failure_for_good_cancels_what_depends_on_it(harness: &StoreHarness) {
    let parent = task();
    let child = task().after([parent.id]);
    let grandchild = task().after([child.id]);
    let other = task();
    let ids = harness.submit([parent, child, grandchild, other]).await;
    harness.worker("vm1").work(broken()).await;

    assert_eq!(harness.statuses(&ids).await, [Failed, Cancelled, Cancelled, Pending]);
    assert_eq!(cancel_reason(&harness.task(ids[2]).await), CancelReason::DependencyFailed { dependency: ids[1] });
}

pub(super) async fn a_failure_with_a_retry_left_cancels_nothing(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let child = harness.submit_one(task().after([parent])).await;
    harness.worker("vm1").work(refused()).await;
    assert_eq!(harness.statuses(&[parent, child]).await, [Pending, Pending]);
}

pub(super) async fn an_unknown_dependency_is_refused(harness: &StoreHarness) {
    let unknown = TaskId::generate();
    let error = harness.try_submit([task().after([unknown])]).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(error.to_string().contains(&unknown.to_string()), "{error}");
}

pub(super) async fn a_cycle_is_refused(harness: &StoreHarness) {
    let mut first = task();
    let second = task().after([first.id]);
    let third = task().after([second.id]);
    first.depends_on = vec![third.id];
    let cycle = Submission::of("ann", [first, second, third]);
    assert_eq!(harness.refusal(cycle).await, StoreErrorKind::Invalid);

    let mut selfish = task();
    selfish.depends_on = vec![selfish.id];
    assert_eq!(harness.refusal(Submission::of("ann", [selfish])).await, StoreErrorKind::Invalid);
    assert_eq!(harness.log().await, []);
}

pub(super) async fn a_dependency_named_twice_counts_once(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let child = harness.submit_one(task().after([parent, parent])).await;
    let worker = harness.worker("vm1");
    worker.work(completed()).await;
    assert_eq!(worker.claim_ids(1).await, [child]);
    assert_eq!(harness.statuses(&[parent]).await, [Completed]);
}

pub(super) async fn a_diamond_waits_for_both_its_sides_and_falls_and_comes_back_whole(harness: &StoreHarness) {
    let top = task();
    let (left, right) = (task().after([top.id]), task().after([top.id]));
    let bottom = task().after([left.id, right.id]);
    let ids = harness.submit([top, left, right, bottom]).await;
    let worker = harness.worker("vm1");
    worker.work(broken()).await;
    assert_eq!(harness.statuses(&ids).await, [Failed, Cancelled, Cancelled, Cancelled]);

    harness.store.retry(ids[0], "ann").await.unwrap();
    assert_eq!(harness.statuses(&ids).await, [Pending; 4]);
    worker.work(completed()).await;
    let sides = worker.claim(9).await;
    assert_eq!(sides.iter().map(|claimed| claimed.task.id()).collect::<Vec<_>>(), ids[1..3]);
    for _ in 0..2 {
        // The same end told twice counts once.
        worker.report(&sides[0], completed()).await;
        assert_eq!(worker.claim_ids(9).await, []);
    }
    worker.report(&sides[1], completed()).await;
    assert_eq!(worker.claim_ids(9).await, [ids[3]]);
}

pub(super) async fn the_end_of_a_task_frees_or_fells_thousands_at_once(harness: &StoreHarness) {
    let (done, failed) = (harness.submit_one(task()).await, harness.submit_one(task()).await);
    let worker = harness.worker("vm1");
    let claimed = worker.claim(2).await;
    for dependency in [done, failed] {
        for _ in 0..3 {
            harness.submit((0..MAX_TASKS_PER_SUBMISSION).map(|_| task().after([dependency]))).await;
        }
    }

    worker.report(&claimed[0], completed()).await;
    worker.report(&claimed[1], broken()).await;

    let counted = harness.store.stats().await.unwrap().by_status;
    let thousands = 3 * u64::try_from(MAX_TASKS_PER_SUBMISSION).unwrap();
    assert_eq!((counted[&Pending], counted[&Cancelled]), (thousands, thousands));
    assert_eq!(worker.claim(MAX_SLOTS).await.len(), MAX_SLOTS, "they may be claimed");
}
