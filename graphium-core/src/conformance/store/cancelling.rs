//! Cancel: at once where nobody works, else through the agent.

use super::StoreHarness;
use super::scene::{broken, cancel_reason, completed, task};
use crate::id::TaskId;
use crate::store::StoreErrorKind;
use crate::task::{CancelReason, TaskState, TaskStatus};

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
