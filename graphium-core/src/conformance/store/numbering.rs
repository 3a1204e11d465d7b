//! Numbering: loop calls that pass each other on their way.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{PATIENCE, task};
use crate::store::{MAX_WAIT, StoreErrorKind, StoreSettings};
use crate::task::TaskStatus;

pub(super) async fn a_call_that_arrives_after_a_later_one_changes_nothing(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let late = worker.hello().asking(1, Duration::ZERO).numbered(2);
    worker.call(worker.hello().numbered(3)).await;
    let id = harness.submit_one(task()).await;
    harness.pass(Duration::from_secs(1));
    let (host, log) = (harness.host("vm1").await, harness.log().await);

    let error = worker.try_call(late).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert_eq!(harness.status(id).await, TaskStatus::Pending, "it takes nothing");
    assert_eq!((harness.host("vm1").await, harness.log().await), (host, log), "and keeps no session alive");
    assert_eq!(worker.claim_ids(1).await, [id], "a call without a number is no late one");
}

pub(super) async fn a_late_call_does_not_bring_a_session_back(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.call(worker.hello().numbered(1)).await;
    worker.call(worker.hello().numbered(2)).await;
    harness.pass(StoreSettings::default().lease);
    harness.store.sweep().await.unwrap();

    let error = worker.try_call(worker.hello().numbered(1)).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert_eq!(harness.host("vm1").await.state, crate::store::HostState::Unknown);
}

pub(super) async fn a_call_that_arrives_twice_is_answered_alike(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let request = worker.hello().asking(1, Duration::ZERO).numbered(7);

    for _ in 0..2 {
        let answer = worker.call(request.clone()).await;
        assert_eq!(answer.claims.iter().map(|claimed| claimed.task.id()).collect::<Vec<_>>(), [id]);
    }
}

pub(super) async fn a_later_call_ends_the_wait_of_an_earlier_one(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let earlier = worker.call(worker.hello().asking(1, MAX_WAIT).numbered(1));
    let later = worker.hello().asking(1, MAX_WAIT).numbered(2);

    let story = async {
        harness.pass(Duration::from_millis(1));
        let later = worker.call(later);
        let id = harness.once_waiting(&worker, async { harness.submit_one(task()).await });
        tokio::join!(later, id)
    };
    let all = async { tokio::join!(earlier, harness.once_waiting(&worker, story)) };
    let (earlier, (later, id)) = tokio::time::timeout(PATIENCE, all).await.unwrap();

    assert_eq!(earlier.claims, [], "nobody waits for its answer any more");
    assert_eq!(later.claims[0].task.id(), id);
}

pub(super) async fn each_session_counts_its_own_calls(harness: &StoreHarness) {
    let old = harness.worker("vm1");
    old.call(old.hello().numbered(100)).await;
    let new = harness.worker("vm1");
    new.call(new.hello().numbered(1)).await;
    new.call(new.hello().numbered(2)).await;
    assert_eq!(harness.host("vm1").await.last_call, 2);
}
