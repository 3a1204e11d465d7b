//! Idempotency keys: a repeated submit has one effect.

use serde_json::json;

use super::StoreHarness;
use super::scene::{completed, task};
use crate::id::TaskId;
use crate::store::{StoreErrorKind, Submission};
use crate::task::{IdempotencyKey, NewTask};

fn keyed(key: &str) -> NewTask {
    let mut task = task();
    task.idempotency_key = Some(IdempotencyKey::new(key).unwrap());
    task
}

fn again(task: &NewTask) -> NewTask {
    let mut task = task.clone();
    task.id = TaskId::generate();
    task.created_by = Some("bob".into());
    task
}

pub(super) async fn a_known_key_gets_the_task_of_that_time(harness: &StoreHarness) {
    let first = keyed("once");
    let id = harness.submit_one(first.clone()).await;
    let events = harness.log().await.len();

    assert_eq!(harness.submit([again(&first), task()]).await[0], id);
    assert_eq!(harness.submit_one(first).await, id, "the very same submit");
    assert_eq!(harness.log().await.len(), events + 1, "only the task without a key is new");
}

pub(super) async fn a_known_key_with_another_body_is_a_conflict(harness: &StoreHarness) {
    let first = keyed("once");
    let id = harness.submit_one(first.clone()).await;
    let other = again(&first).with_payload(json!({ "path": "/srv" }));

    let error = harness.try_submit([task(), other]).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
    assert_eq!(harness.log().await.len(), 1);
}

pub(super) async fn a_repeated_submission_has_one_effect(harness: &StoreHarness) {
    let (parent, free) = (keyed("parent"), keyed("free"));
    let child = keyed("child").after([parent.id]);
    let first = harness.submit([child.clone(), parent.clone(), free.clone()]).await;

    let (parent, free) = (again(&parent), again(&free));
    let mut child = again(&child);
    child.depends_on = vec![parent.id];
    let second = harness.submit([child, parent, free]).await;

    assert_eq!(second, first, "dependencies mean the tasks of that time");
}

pub(super) async fn a_key_lives_as_long_as_the_history_of_its_task(harness: &StoreHarness) {
    let first = keyed("once");
    let id = harness.submit_one(first.clone()).await;
    harness.worker("vm1").work(completed()).await;
    assert_eq!(harness.submit_one(again(&first)).await, id);
}

pub(super) async fn a_key_stands_once_in_a_submission(harness: &StoreHarness) {
    let first = keyed("once");
    let twice = Submission::of("ann", [first.clone(), again(&first)]);
    assert_eq!(harness.refusal(twice).await, StoreErrorKind::Invalid);
}
