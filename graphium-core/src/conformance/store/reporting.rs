//! Report: what becomes of an attempt, and of what is said about it late, twice or by mistake.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{broken, completed, refused, report, task};
use crate::id::{Attempt, TaskId};
use crate::store::{ClaimRequest, Report, ReportAnswer, ReportedStatus, StoreErrorKind};
use crate::task::{
    BACKOFF_CAP, Failure, FailureCode, MAX_MESSAGE_BYTES, MAX_OUTCOME_DATA_BYTES, MAX_RETRIES, MAX_WARNINGS, NewTask,
    Outcome, TaskState, TaskStatus, backoff,
};

pub(super) async fn a_completed_task_keeps_its_outcome(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.worker("vm1").work(completed()).await;

    let TaskState::Completed { outcome, at } = harness.task(id).await.state else { panic!("it is completed") };
    assert_eq!(outcome.data["bytes"], 7);
    assert_eq!(at, harness.now());
}

pub(super) async fn a_report_made_twice_has_one_effect(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    for status in [ReportedStatus::Running, ReportedStatus::Running, completed(), completed()] {
        assert_eq!(worker.report(&claimed, status).await, ReportAnswer::Accepted);
    }
    assert_eq!(worker.report(&claimed, ReportedStatus::Running).await, ReportAnswer::Accepted, "it did run");

    let history = harness.store.history(id).await.unwrap();
    assert_eq!(history.attempts.len(), 1);
    assert_eq!(history.events.len(), 4, "created, assigned, running, completed: {:?}", history.events);
}

pub(super) async fn a_failure_reported_again_is_accepted_under_a_later_attempt(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let first = worker.work(refused()).await;
    assert_eq!(worker.report(&first, refused()).await, ReportAnswer::Accepted, "while it waits again");

    harness.pass(Duration::from_secs(20));
    let second = worker.claim_one().await;
    assert_eq!(worker.report(&first, refused()).await, ReportAnswer::Accepted, "while it is tried again");

    let task = harness.task(id).await;
    assert_eq!((task.attempt, task.retry_count, task.status()), (second.attempt(), 1, TaskStatus::Assigned));
    worker.report(&second, completed()).await;
    assert_eq!(worker.report(&first, refused()).await, ReportAnswer::Accepted, "when all is over");
}

pub(super) async fn another_report_about_an_ended_attempt_is_stale(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.work(completed()).await;
    for status in [refused(), ReportedStatus::HandedBack, ReportedStatus::Completed(Default::default())] {
        assert_eq!(worker.report(&claimed, status).await, ReportAnswer::StaleAttempt);
    }
    assert_eq!(worker.report(&claimed, ReportedStatus::Running).await, ReportAnswer::StaleAttempt, "it never said so");
    assert_eq!(harness.status(id).await, TaskStatus::Completed);
}

pub(super) async fn a_report_under_another_attempt_is_stale(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let mut claimed = worker.claim_one().await;
    for attempt in [Attempt(0), Attempt(2)] {
        claimed.task.attempt = attempt;
        assert_eq!(worker.report(&claimed, completed()).await, ReportAnswer::StaleAttempt);
    }
    assert_eq!(harness.status(id).await, TaskStatus::Assigned);
}

pub(super) async fn a_report_about_another_agents_task_is_unknown(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let claimed = harness.worker("vm1").claim_one().await;
    let stranger = harness.worker("vm2");
    assert_eq!(stranger.report(&claimed, completed()).await, ReportAnswer::UnknownTask);

    let mut request = stranger.hello();
    request.reports = vec![Report { task: TaskId::generate(), attempt: Attempt(1), status: completed() }];
    assert_eq!(stranger.call(request).await.receipts[0].answer, ReportAnswer::UnknownTask);
    assert_eq!(harness.status(id).await, TaskStatus::Assigned);
}

pub(super) async fn a_retryable_failure_waits_for_its_backoff(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.work(refused()).await;

    let waits = harness.task(id).await;
    let TaskState::Pending { not_before: Some(due), last_failure: Some(failure) } = waits.state else {
        panic!("it waits: {waits:?}")
    };
    assert_eq!(failure.code, FailureCode::EngineUnavailable);
    assert_eq!((waits.retry_count, waits.ready_at), (1, due));
    let backoff = due.since(harness.now());
    assert!(backoff <= Duration::from_secs(1), "the first backoff is {backoff:?}");
    if !backoff.is_zero() {
        assert_eq!(worker.claim_ids(1).await, []);
    }
    harness.pass(backoff);
    assert_eq!(worker.claim_ids(1).await, [id]);
}

pub(super) async fn each_backoff_has_its_ceiling_and_the_attempts_behind_it_wait(harness: &StoreHarness) {
    let patient = NewTask { max_retries: MAX_RETRIES, ..task() };
    let id = harness.submit_one(patient).await;
    let worker = harness.worker("vm1");
    let mut longest = Duration::ZERO;
    for retries in 0..16 {
        worker.work(refused()).await;
        let delay = harness.task(id).await.ready_at.since(harness.now());
        assert!(delay <= backoff(retries, 1.0), "retry {retries} waits {delay:?}");
        longest = longest.max(delay);
        if delay > Duration::from_millis(1) {
            harness.pass(delay - Duration::from_millis(1));
            assert_eq!(worker.claim_ids(1).await, [], "not before its time");
            harness.pass(Duration::from_millis(1));
        } else {
            harness.pass(delay);
        }
    }
    assert!(longest > BACKOFF_CAP / 10, "delays grow: {longest:?}");
}

pub(super) async fn a_failure_that_is_not_retryable_settles_at_once(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.worker("vm1").work(broken()).await;

    let task = harness.task(id).await;
    let TaskState::Failed { failure, .. } = &task.state else { panic!("it failed: {task:?}") };
    assert_eq!((failure.code, failure.step.as_deref()), (FailureCode::ImageNotFound, Some("pull")));
    assert_eq!(task.retry_count, 0);
}

pub(super) async fn a_task_gets_no_more_retries_than_its_budget(harness: &StoreHarness) {
    let mut task = task();
    task.max_retries = 2;
    let id = harness.submit_one(task).await;
    let worker = harness.worker("vm1");
    for _ in 0..2 {
        worker.work(refused()).await;
        assert_eq!(harness.status(id).await, TaskStatus::Pending);
        harness.pass(BACKOFF_CAP);
    }
    worker.work(refused()).await;

    let task = harness.task(id).await;
    assert_eq!((task.status(), task.retry_count, task.attempt), (TaskStatus::Failed, 2, Attempt(3)));
}

pub(super) async fn a_handed_back_task_costs_no_retry_and_keeps_its_place(harness: &StoreHarness) {
    let first = harness.submit_one(task()).await;
    harness.pass(Duration::from_secs(5));
    let second = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    assert_eq!(worker.report(&claimed, ReportedStatus::HandedBack).await, ReportAnswer::Accepted);

    assert_eq!(harness.task(first).await.retry_count, 0);
    assert_eq!(worker.claim_ids(2).await, [first, second]);
    assert_eq!(worker.report(&claimed, ReportedStatus::HandedBack).await, ReportAnswer::Accepted);
    assert_eq!(harness.status(first).await, TaskStatus::Assigned);
}

pub(super) async fn an_acknowledged_cancel_says_what_was_undone(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    harness.store.cancel(id, "ann").await.unwrap();

    let status = ReportedStatus::Cancelled(Some("the container was removed".into()));
    assert_eq!(worker.report(&claimed, status.clone()).await, ReportAnswer::Accepted);

    let TaskState::Cancelled { undone, .. } = harness.task(id).await.state else { panic!("it is cancelled") };
    assert_eq!(undone.as_deref(), Some("the container was removed"));
    assert_eq!(worker.report(&claimed, status).await, ReportAnswer::Accepted);
}

pub(super) async fn a_cancel_that_nobody_asked_for_is_a_failure(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.worker("vm1").work(ReportedStatus::Cancelled(None)).await;

    let TaskState::Failed { failure, .. } = harness.task(id).await.state else { panic!("it failed") };
    assert_eq!((failure.code, failure.retryable), (FailureCode::Internal, false));
}

pub(super) async fn a_cancel_keeps_the_true_outcome_and_allows_no_further_attempt(harness: &StoreHarness) {
    let ids = harness.submit([task(), task()]).await;
    let worker = harness.worker("vm1");
    let claims = worker.claim(2).await;
    for id in &ids {
        harness.store.cancel(*id, "ann").await.unwrap();
    }
    worker.report(&claims[0], completed()).await;
    worker.report(&claims[1], refused()).await;

    let found = [harness.status(claims[0].task.id()).await, harness.status(claims[1].task.id()).await];
    assert_eq!(found, [TaskStatus::Completed, TaskStatus::Failed]);
}

pub(super) async fn a_report_over_a_bound_is_refused_by_its_place(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    let long = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let outcome = Outcome { warnings: vec![long.clone()], ..Outcome::default() };
    let failure = Failure::new(FailureCode::Internal, long.clone());
    for (status, place) in [
        (ReportedStatus::Completed(outcome), "result.warnings[0]"),
        (ReportedStatus::Failed(failure), "error.message"),
        (ReportedStatus::Cancelled(Some(long)), "undone"),
    ] {
        let request = ClaimRequest { reports: vec![report(&claimed, status.clone())], ..worker.hello() };
        let error = worker.try_call(request).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        assert!(error.to_string().contains(&format!("reports[0].{place}")), "{error}");
        assert_eq!(status.clone().cut().check(""), Ok(()));
    }
    assert_eq!(harness.status(id).await, TaskStatus::Assigned);
}

pub(super) async fn reports_at_their_bounds_are_taken_in_one_call(harness: &StoreHarness) {
    let ids = harness.submit([task(), task(), task(), task()]).await;
    let worker = harness.worker("vm1");
    let claims = worker.claim(ids.len()).await;
    let data = serde_json::json!("x".repeat(MAX_OUTCOME_DATA_BYTES - 2));
    let warnings = vec!["x".repeat(MAX_MESSAGE_BYTES); MAX_WARNINGS];
    let status = ReportedStatus::Completed(Outcome { data, warnings, ..Outcome::default() });
    let mut request = worker.hello();
    request.reports = claims.iter().map(|claimed| report(claimed, status.clone())).collect();

    let receipts = worker.call(request).await.receipts;

    assert!(receipts.iter().all(|receipt| receipt.answer == ReportAnswer::Accepted), "{receipts:?}");
    assert_eq!(harness.statuses(&ids).await, [TaskStatus::Completed; 4]);
}

pub(super) async fn each_report_has_its_receipt(harness: &StoreHarness) {
    harness.submit([task(), task()]).await;
    let worker = harness.worker("vm1");
    let claims = worker.claim(2).await;
    let unknown = Report { task: TaskId::generate(), attempt: Attempt(1), status: completed() };
    let mut request = worker.hello();
    let running = report(&claims[0], ReportedStatus::Running);
    request.reports = vec![running, report(&claims[0], completed()), unknown, report(&claims[1], broken())];
    let asked: Vec<_> = request.reports.iter().map(|report| (report.task, report.attempt)).collect();

    let receipts = worker.call(request).await.receipts;

    let answered: Vec<_> = receipts.iter().map(|receipt| (receipt.task, receipt.attempt)).collect();
    assert_eq!(answered, asked);
    let answers: Vec<_> = receipts.iter().map(|receipt| receipt.answer).collect();
    use ReportAnswer::{Accepted, UnknownTask};
    assert_eq!(answers, [Accepted, Accepted, UnknownTask, Accepted]);
}
