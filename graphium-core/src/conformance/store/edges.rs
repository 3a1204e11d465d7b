//! Edges: the largest numbers there are. They are refused by name or taken as they are; nothing wraps, and the store goes on.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{agent, completed, task};
use crate::clock::Timestamp;
use crate::id::{Attempt, Seq, TaskId};
use crate::store::{
    Cursor, Directive, EventFilter, Expected, PageRequest, RecordKey, RecordKind, RecordWrite, Report, ReportAnswer,
    RunningTask, StoreErrorKind, Submission, TaskFilter,
};
use crate::task::TaskStatus;

/// The store still does what it is for.
async fn goes_on(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.worker("vm1").work(completed()).await;
    assert_eq!(harness.status(id).await, TaskStatus::Completed);
}

pub(super) async fn a_claim_for_ever_or_for_everything_is_refused(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    for (slots, wait) in [(1, Duration::MAX), (usize::MAX, Duration::ZERO)] {
        let error = worker.try_call(worker.hello().asking(slots, wait)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
    }
    goes_on(harness).await;
}

pub(super) async fn an_attempt_that_was_never_given_out_is_stale_or_lost(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    assert_eq!(worker.claim_ids(1).await, [id]);
    let attempt = Attempt(u64::MAX);

    let mut request = worker.hello();
    request.reports = vec![Report { task: id, attempt, status: completed() }];
    assert_eq!(worker.call(request).await.receipts[0].answer, ReportAnswer::StaleAttempt);
    let mut request = worker.hello();
    request.running = vec![RunningTask { task: id, attempt, progress: None }];
    assert_eq!(worker.call(request).await.directives, [Directive::Lost { task: id, attempt }]);
    assert_eq!(harness.status(id).await, TaskStatus::Assigned);
}

pub(super) async fn the_last_number_of_a_call_ends_the_count_of_its_session_alone(harness: &StoreHarness) {
    let last = harness.worker("vm1");
    last.call(last.hello().numbered(u64::MAX)).await;
    assert_eq!(harness.host("vm1").await.last_call, u64::MAX);

    let error = last.try_call(last.hello().numbered(u64::MAX - 1)).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    goes_on(harness).await;
}

pub(super) async fn the_last_place_of_a_list_and_of_the_log_is_a_place_like_any_other(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let after = |cursor: String| PageRequest { after: Some(Cursor(cursor)), ..PageRequest::default() };
    let found = harness.store.tasks(TaskFilter::default(), after(format!("n{}", u64::MAX))).await.unwrap().items;
    assert_eq!(found.iter().map(|task| task.id()).collect::<Vec<_>>(), [id]);
    let open = TaskFilter { claim_order: true, ..TaskFilter::default() };
    for (order, expected) in [(i64::MIN, 1), (i64::MAX, 0)] {
        let page = after(format!("o{order}/{}", TaskId::generate()));
        assert_eq!(harness.store.tasks(open.clone(), page).await.unwrap().items.len(), expected, "{order}");
    }
    for cursor in [format!("n{}0", u64::MAX), "n-1".into(), format!("o{}0/{id}", i64::MAX), "o/".into(), "rz".into()] {
        let error = harness.store.tasks(TaskFilter::default(), after(cursor)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
    }

    for after in [u64::MAX, u64::MAX - 1, i64::MAX.unsigned_abs()] {
        let error = harness.store.events(Seq(after), EventFilter::default(), 1).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Gone, "{after}");
    }
}

pub(super) async fn the_first_and_the_last_instant_narrow_a_list_like_any_other(harness: &StoreHarness) {
    harness.submit_one(task()).await;
    for (since, expected) in [(i64::MIN, 1), (i64::MAX, 0)] {
        let since = Some(Timestamp::from_micros(since));
        let filter = TaskFilter { since, agent: Some(agent("vm1")), ..TaskFilter::default() };
        let found = harness.store.tasks(filter, PageRequest::default()).await.unwrap().items;
        assert_eq!(found.len(), expected, "{since:?}");
    }
}

pub(super) async fn a_version_that_was_never_written_is_a_conflict(harness: &StoreHarness) {
    let write = |expected| RecordWrite {
        key: RecordKey::new(RecordKind::Token, "t"),
        expected,
        body: Some(serde_json::Value::Null),
    };
    let submit =
        |expected| harness.store.submit(Submission { records: vec![write(expected)], ..Submission::default() });
    submit(Expected::Absent).await.unwrap();
    for version in [0, i64::MAX.unsigned_abs(), u64::MAX] {
        assert_eq!(submit(Expected::Version(version)).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    }
    assert_eq!(submit(Expected::Version(1)).await.unwrap().versions, [2]);
}
