//! Sessions: one life of an agent process at a time speaks for its host.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{PATIENCE, completed, task};
use crate::event::EventType;
use crate::store::{
    Directive, HostState, MAX_ENDED_SESSIONS, MAX_WAIT, ReportAnswer, ReportedStatus, StoreErrorKind, StoreSettings,
};
use crate::task::{FailureCode, TaskState, TaskStatus};

fn lease() -> Duration {
    StoreSettings::default().lease
}

pub(super) async fn the_first_call_adds_a_host(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    worker.call(worker.hello()).await;

    let host = harness.host("vm1").await;
    assert_eq!((host.state, host.session), (HostState::Ready, worker.session));
    assert_eq!((host.last_seen_at, host.lease_expires_at), (harness.now(), harness.now().after(lease())));
    assert_eq!(host.observed_at, None);
    let log = harness.log().await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].kind, log[0].agent_id.clone()), (EventType::HostAdded, Some(worker.id)));
}

pub(super) async fn each_call_renews_the_session(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.claim_one().await;
    for _ in 0..5 {
        harness.pass(lease() - Duration::from_secs(1));
        worker.call(worker.hello()).await;
    }
    assert_eq!(harness.store.sweep().await.unwrap(), 0);
    assert_eq!(harness.status(id).await, TaskStatus::Assigned);
    assert_eq!(harness.log().await.iter().filter(|event| event.kind == EventType::HostUpdated).count(), 0);
}

pub(super) async fn a_new_process_on_the_same_machine_takes_over_at_once(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let old = harness.worker("vm1");
    let first = old.claim_one().await;

    let new = harness.worker("vm1");
    let second = new.claim_one().await;

    assert_eq!(second.task.id(), id);
    assert_eq!(second.attempt(), first.attempt().next());
    let task = harness.task(id).await;
    assert_eq!((task.retry_count, task.state.lease().unwrap().session), (1, new.session));
    let attempts = harness.store.history(id).await.unwrap().attempts;
    assert_eq!(attempts[0].ended.as_deref(), Some("lost"));
    assert_eq!((attempts[0].session, attempts[1].session), (old.session, new.session));
}

pub(super) async fn a_session_that_was_taken_over_from_is_over_for_good(harness: &StoreHarness) {
    let old = harness.worker("vm1");
    old.call(old.hello()).await;
    let new = harness.worker("vm1");
    new.call(new.hello()).await;
    harness.pass(lease() * 100);
    harness.store.sweep().await.unwrap();

    let error = old.try_call(old.hello()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::SessionEnded);
    assert_eq!(harness.host("vm1").await.session, new.session);
}

pub(super) async fn the_newest_sessions_that_ended_are_remembered(harness: &StoreHarness) {
    let mut lives = Vec::new();
    for _ in 0..MAX_ENDED_SESSIONS + 2 {
        let worker = harness.worker("vm1");
        worker.call(worker.hello()).await;
        lives.push(worker);
    }
    let newest = lives.pop().unwrap();

    for over in &lives[1..] {
        assert_eq!(over.try_call(over.hello()).await.unwrap_err().kind(), StoreErrorKind::SessionEnded);
    }
    assert_eq!(harness.host("vm1").await.session, newest.session);
    lives[0].call(lives[0].hello()).await;
    assert_eq!(harness.host("vm1").await.session, lives[0].session, "what is forgotten begins anew");
}

pub(super) async fn another_machine_is_refused_while_the_session_lives(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.claim_one().await;
    harness.pass(lease() - Duration::from_secs(1));

    let stranger = harness.worker_on("m2", "vm1");
    let error = stranger.try_call(stranger.hello()).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::AgentInUse);
    assert_eq!(harness.host("vm1").await.session, worker.session);
    assert_eq!(harness.task(id).await.state.lease().unwrap().session, worker.session);
}

pub(super) async fn another_machine_takes_over_when_the_lease_is_over(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.claim_one().await;
    harness.pass(lease());

    let successor = harness.worker_on("m2", "vm1");

    assert_eq!(successor.claim_ids(1).await, [id]);
    let error = worker.try_call(worker.hello()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::SessionEnded);
}

pub(super) async fn an_expired_session_may_come_back_without_its_tasks(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.pass(lease());

    // No sweep has come by: the lease is over all the same.
    let answer = worker.call(worker.working_on(&claimed)).await;

    assert_eq!(answer.directives, [Directive::Lost { task: id, attempt: claimed.attempt() }]);
    let task = harness.task(id).await;
    let TaskState::Pending { last_failure: Some(failure), .. } = task.state else { panic!("it waits: {task:?}") };
    assert_eq!((failure.code, task.retry_count), (FailureCode::Lost, 1));
    assert_eq!(worker.claim_one().await.attempt(), claimed.attempt().next());
}

pub(super) async fn a_late_report_after_a_takeover_changes_nothing(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let first = harness.worker("vm1").claim_one().await;
    let new = harness.worker("vm1");
    new.call(new.hello()).await;

    assert_eq!(new.report(&first, completed()).await, ReportAnswer::StaleAttempt);
    assert_eq!(harness.status(id).await, TaskStatus::Pending);
    let second = new.claim_one().await;
    assert_eq!(new.report(&first, ReportedStatus::HandedBack).await, ReportAnswer::StaleAttempt);
    assert_eq!(new.report(&second, completed()).await, ReportAnswer::Accepted);
    assert_eq!(harness.status(id).await, TaskStatus::Completed);
}

pub(super) async fn a_waiting_claim_ends_when_another_process_takes_over(harness: &StoreHarness) {
    let old = harness.worker("vm1");
    let waiting = old.try_call(old.hello().asking(1, MAX_WAIT));
    let new = harness.worker("vm1");

    let take_over = harness.once_waiting(&old, new.call(new.hello()));
    let (answer, _) = tokio::time::timeout(PATIENCE, async { tokio::join!(waiting, take_over) }).await.unwrap();

    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::SessionEnded);
}
