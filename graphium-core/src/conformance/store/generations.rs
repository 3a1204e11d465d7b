//! Generations: what a newer deployment of a stack does to the tasks of older ones.

use super::StoreHarness;
use super::scene::{broken, cancel_reason, completed, refused, stack, task, task_of};
use crate::id::Generation;
use crate::store::{MAX_GENERATION, ReportedStatus, StoreErrorKind, Submission};
use crate::task::{CancelReason, FailureCode, NewTask, TaskState, TaskStatus};

use TaskStatus::{Assigned, Cancelled, Completed, Failed, Pending};

/// A task of a generation, free of lanes.
fn free(generation: u64) -> NewTask {
    NewTask { lane: None, ..task_of(generation) }
}

async fn reason(harness: &StoreHarness, id: crate::id::TaskId) -> CancelReason {
    cancel_reason(&harness.task(id).await)
}

pub(super) async fn a_newer_generation_cancels_what_has_not_begun(harness: &StoreHarness) {
    let old = free(1);
    let dependant = free(1).after([old.id]);
    let outside = task().after([old.id]);
    let ids = harness.submit([old, dependant, outside, task()]).await;

    let new = harness.submit_one(free(2)).await;

    assert_eq!(harness.statuses(&ids).await, [Cancelled, Cancelled, Cancelled, Pending]);
    let superseded = CancelReason::Superseded { by: Generation(2) };
    assert_eq!([reason(harness, ids[0]).await, reason(harness, ids[1]).await], [superseded.clone(), superseded]);
    assert_eq!(reason(harness, ids[2]).await, CancelReason::DependencyFailed { dependency: ids[0] });
    assert_eq!(harness.status(new).await, Pending);
}

pub(super) async fn what_has_begun_goes_on_and_gets_no_further_attempt(harness: &StoreHarness) {
    let ids = harness.submit([free(1), free(1)]).await;
    let worker = harness.worker("vm1");
    let claims = worker.claim(2).await;
    harness.store.submit(superseding(2)).await.unwrap();
    assert_eq!(harness.statuses(&ids).await, [Assigned, Assigned]);

    worker.report(&claims[0], completed()).await;
    worker.report(&claims[1], refused()).await;

    assert_eq!(harness.status(ids[0]).await, Completed);
    let TaskState::Failed { failure, .. } = harness.task(ids[1]).await.state else { panic!("it failed") };
    assert_eq!(failure.code, FailureCode::EngineUnavailable, "with its true failure");
}

pub(super) async fn a_lost_task_of_an_older_generation_is_cancelled(harness: &StoreHarness) {
    let id = harness.submit_one(free(1)).await;
    harness.worker("vm1").claim_one().await;
    harness.store.submit(superseding(2)).await.unwrap();

    let new = harness.worker("vm1");
    assert_eq!(new.claim_ids(1).await, []);

    assert_eq!(reason(harness, id).await, CancelReason::Superseded { by: Generation(2) });
}

pub(super) async fn a_handed_back_task_of_an_older_generation_is_cancelled(harness: &StoreHarness) {
    let id = harness.submit_one(free(1)).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.store.submit(superseding(2)).await.unwrap();

    worker.report(&claimed, ReportedStatus::HandedBack).await;

    assert_eq!(reason(harness, id).await, CancelReason::Superseded { by: Generation(2) });
}

pub(super) async fn an_older_generation_is_refused(harness: &StoreHarness) {
    harness.submit_one(free(2)).await;
    let events = harness.log().await.len();
    let mixed = Submission::of("ann", [free(3), free(2)]);
    for refused in [Submission::of("ann", [free(1)]), superseding(1), mixed] {
        assert_eq!(harness.refusal(refused).await, StoreErrorKind::Superseded);
    }
    assert_eq!(harness.log().await.len(), events);
    harness.submit_one(free(2)).await;
}

pub(super) async fn a_generation_may_be_superseded_without_a_task(harness: &StoreHarness) {
    let id = harness.submit_one(free(1)).await;
    harness.store.submit(superseding(2)).await.unwrap();
    assert_eq!(harness.status(id).await, Cancelled);
    assert_eq!(harness.refusal(Submission::of("ann", [free(1)])).await, StoreErrorKind::Superseded);
}

pub(super) async fn a_forgotten_stack_may_begin_anew(harness: &StoreHarness) {
    let old = harness.submit_one(free(7)).await;
    harness.store.cancel(old, "ann").await.unwrap();
    let forget = Submission { forget: Some(stack("shop")), ..Submission::of("ann", []) };
    harness.store.submit(forget).await.unwrap();
    let error = harness.store.retry(old, "ann").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Superseded, "nothing brings a deleted stack back");

    let new = harness.submit_one(free(1)).await;

    assert_eq!(harness.worker("vm1").claim_ids(9).await, [new]);
}

pub(super) async fn a_task_of_an_earlier_life_of_its_stack_is_not_retried(harness: &StoreHarness) {
    let old = free(1);
    let child = free(1).after([old.id]);
    let ids = harness.submit([old, child]).await;
    harness.worker("vm1").work(broken()).await;
    let forget = Submission { forget: Some(stack("shop")), ..Submission::of("ann", []) };
    harness.store.submit(forget).await.unwrap();
    let new = harness.submit_one(free(1)).await;

    let error = harness.store.retry(ids[0], "ann").await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Superseded, "the generation is the same and the stack is not");
    assert_eq!(harness.statuses(&ids).await, [Failed, Cancelled]);
    assert_eq!(harness.worker("vm1").claim_ids(9).await, [new]);
}

pub(super) async fn what_an_earlier_life_of_a_stack_began_gets_no_further_attempt(harness: &StoreHarness) {
    let ids = harness.submit([free(1), free(1)]).await;
    let worker = harness.worker("vm1");
    let claims = worker.claim(2).await;
    let forget = Submission { forget: Some(stack("shop")), ..Submission::of("ann", []) };
    harness.store.submit(forget).await.unwrap();
    harness.submit_one(free(1)).await;

    worker.report(&claims[0], refused()).await;
    worker.report(&claims[1], ReportedStatus::HandedBack).await;

    let found = [harness.status(claims[0].task.id()).await, harness.status(claims[1].task.id()).await];
    assert_eq!(found, [Failed, Cancelled], "{ids:?}");
}

pub(super) async fn a_generation_over_the_limit_is_refused(harness: &StoreHarness) {
    for generation in [MAX_GENERATION.0 + 1, u64::MAX] {
        assert_eq!(harness.refusal(Submission::of("ann", [free(generation)])).await, StoreErrorKind::Invalid);
        assert_eq!(harness.refusal(superseding(generation)).await, StoreErrorKind::Invalid);
    }
    harness.submit_one(free(MAX_GENERATION.0)).await;
}

fn superseding(generation: u64) -> Submission {
    Submission { supersede: Some((stack("shop"), Generation(generation))), ..Submission::of("ann", []) }
}
