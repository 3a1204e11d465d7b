//! Cancel: at once where nobody works, else through the agent.

use super::StoreHarness;
use super::scene::{broken, cancel_reason, completed, refused, report, task};
use crate::id::TaskId;
use crate::store::{ReportAnswer, StoreErrorKind};
use crate::task::{BACKOFF_CAP, CancelReason, TaskState, TaskStatus};

pub(super) async fn a_waiting_task_is_cancelled_at_once(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;

    let cancelled = harness.store.cancel(id, "ann").await.unwrap();

    let reason = CancelReason::Requested { by: "ann".into() };
    assert_eq!(cancelled.state, TaskState::Cancelled { at: harness.now(), reason, undone: None });
    assert_eq!(harness.task(id).await, cancelled);
    assert_eq!(harness.worker("vm1").claim_ids(1).await, []);
    assert_eq!(harness.log().await.iter().rfind(|event| event.task_id == Some(id)).unwrap().actor, "ann");
}

pub(super) async fn a_task_in_work_is_asked_to_stop(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    worker.call(worker.working_on(&claimed)).await;

    let asked = harness.store.cancel(id, "ann").await.unwrap();
    harness.store.cancel(id, "bob").await.unwrap();

    assert_eq!(asked.status(), TaskStatus::Running);
    let wish = harness.task(id).await.state.lease().unwrap().cancel.clone().unwrap();
    assert_eq!(wish.reason, CancelReason::Requested { by: "ann".into() }, "the first wish counts");
}

pub(super) async fn a_cancel_cancels_what_depends_on_it(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let child = harness.submit_one(task().after([parent])).await;
    harness.store.cancel(parent, "ann").await.unwrap();

    assert_eq!(cancel_reason(&harness.task(child).await), CancelReason::DependencyFailed { dependency: parent });
}

pub(super) async fn a_settled_task_cannot_be_cancelled(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    for status in [completed(), broken()] {
        let id = harness.submit_one(task()).await;
        worker.work(status).await;
        let before = harness.task(id).await;
        let error = harness.store.cancel(id, "ann").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Conflict);
        assert_eq!(harness.task(id).await, before);
    }
}

pub(super) async fn an_unknown_task_cannot_be_cancelled(harness: &StoreHarness) {
    let id = TaskId::generate();
    assert_eq!(harness.store.cancel(id, "ann").await.unwrap_err().kind(), StoreErrorKind::NotFound);
    assert_eq!(harness.store.retry(id, "ann").await.unwrap_err().kind(), StoreErrorKind::NotFound);
    assert_eq!(harness.store.history(id).await.unwrap_err().kind(), StoreErrorKind::NotFound);
}

pub(super) async fn a_cancel_and_the_end_of_the_work_may_meet_and_the_true_outcome_stays(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    for _ in 0..20 {
        let id = harness.submit_one(task()).await;
        let claimed = worker.claim_one().await;

        let (cancelled, answer) = tokio::join!(harness.store.cancel(id, "ann"), worker.report(&claimed, completed()));

        assert_eq!(answer, ReportAnswer::Accepted);
        assert_eq!(harness.status(id).await, TaskStatus::Completed);
        if let Err(error) = cancelled {
            assert_eq!(error.kind(), StoreErrorKind::Conflict, "whoever comes too late hears so: {error}");
        }
    }
}

pub(super) async fn a_cancel_that_meets_a_report_in_one_call_is_neither_lost_nor_told_again(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.store.cancel(id, "ann").await.unwrap();

    let mut request = worker.working_on(&claimed);
    request.reports = vec![report(&claimed, refused())];
    let answer = worker.call(request).await;

    assert_eq!(answer.directives, []);
    assert_eq!(harness.status(id).await, TaskStatus::Failed, "no further attempt follows on a cancel");
    harness.pass(BACKOFF_CAP);
    assert_eq!(worker.claim_ids(1).await, []);
}
