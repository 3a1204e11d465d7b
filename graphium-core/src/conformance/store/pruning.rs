//! Pruning: history goes when its time is over, and nobody is left to believe that there was none.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{completed, task, task_of};
use crate::id::{Seq, TaskId};
use crate::store::{EventFilter, PRUNE_BATCH, Pruned, StoreErrorKind, StoreSettings};
use crate::task::{IdempotencyKey, TaskStatus, TaskType};

fn kept() -> Duration {
    StoreSettings::default().retention.tasks.unwrap()
}

fn events_kept() -> Duration {
    StoreSettings::default().retention.events.unwrap()
}

async fn prune(harness: &StoreHarness) -> Pruned {
    harness.store.prune().await.unwrap()
}

async fn prune_all(harness: &StoreHarness) {
    while prune(harness).await.more {}
}

async fn is_there(harness: &StoreHarness, id: TaskId) -> bool {
    match harness.store.task(id).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::NotFound);
            false
        }
    }
}

pub(super) async fn what_is_settled_is_kept_for_its_time_and_then_goes(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.worker("vm1").work(completed()).await;
    let newest = harness.submit_one(task()).await;
    harness.pass(kept() - Duration::from_secs(1));
    assert_eq!(prune(harness).await, Pruned::default());
    assert!(is_there(harness, id).await);

    harness.pass(Duration::from_secs(1));
    assert_eq!(prune(harness).await, Pruned { tasks: 1, more: true, ..Pruned::default() });

    assert!(!is_there(harness, id).await && is_there(harness, newest).await);
    let error = harness.store.history(id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
    let stats = harness.store.stats().await.unwrap();
    assert_eq!((stats.by_status[&TaskStatus::Completed], stats.by_status[&TaskStatus::Pending]), (0, 1));
    assert_eq!(stats.by_type[&TaskType::Custom("backup".into())], 1);
    assert_eq!(harness.log().await.len(), 5, "events have a time of their own");
    assert_eq!(prune(harness).await, Pruned::default());
}

pub(super) async fn the_log_outlives_the_tasks_that_it_tells_of(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.worker("vm1").work(completed()).await;
    harness.submit_one(task()).await;
    let log = harness.log().await;

    harness.pass(kept());
    prune_all(harness).await;

    assert!(!is_there(harness, id).await);
    assert_eq!(harness.log().await, log);
}

pub(super) async fn a_key_goes_with_its_task(harness: &StoreHarness) {
    let mut first = task();
    first.idempotency_key = Some(IdempotencyKey::new("nightly").unwrap());
    harness.submit_one(first.clone()).await;
    harness.worker("vm1").work(completed()).await;
    harness.submit_one(task()).await;
    harness.pass(kept());
    prune_all(harness).await;

    let mut again = task();
    again.idempotency_key.clone_from(&first.idempotency_key);
    let id = harness.submit_one(again.clone()).await;

    assert_eq!(id, again.id, "the key means nothing any more, so the task is new");
}

pub(super) async fn what_is_not_settled_is_never_pruned(harness: &StoreHarness) {
    let held = harness.submit_one(task()).await;
    harness.worker("vm1").claim_one().await;
    let waiting = harness.submit_one(task()).await;
    harness.submit_one(task()).await;
    harness.pass(kept() * 4);
    prune_all(harness).await;

    assert!(is_there(harness, held).await && is_there(harness, waiting).await);
}

pub(super) async fn what_another_task_depends_on_is_kept_until_that_one_goes(harness: &StoreHarness) {
    let first = task();
    let second = task().after([first.id]);
    let ids = harness.submit([first, second, task()]).await;
    let worker = harness.worker("vm1");
    worker.work(completed()).await;
    harness.pass(kept());
    prune_all(harness).await;
    assert!(is_there(harness, ids[0]).await, "the second one is not settled");

    worker.work(completed()).await;
    prune_all(harness).await;
    assert!(is_there(harness, ids[0]).await, "the second one may be looked at");

    harness.pass(kept());
    prune_all(harness).await;
    assert!(!is_there(harness, ids[0]).await && !is_there(harness, ids[1]).await);
}

pub(super) async fn what_the_newest_generation_did_is_kept(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let mut ids = Vec::new();
    for generation in [1, 2] {
        ids.push(harness.submit_one(task_of(generation)).await);
        worker.work(completed()).await;
    }
    harness.submit_one(task()).await;
    harness.pass(kept());
    prune_all(harness).await;

    assert!(!is_there(harness, ids[0]).await, "a newer generation made it pointless");
    assert!(is_there(harness, ids[1]).await, "its deployment may still ask what came of it");
}

pub(super) async fn a_pruning_is_a_batch_and_says_whether_more_is_due(harness: &StoreHarness) {
    let count = PRUNE_BATCH + 1;
    let ids = harness.submit((0..count).map(|_| task())).await;
    for id in &ids {
        harness.store.cancel(*id, "ann").await.unwrap();
    }
    harness.submit_one(task()).await;
    harness.pass(kept());

    assert_eq!(prune(harness).await, Pruned { tasks: PRUNE_BATCH, more: true, ..Pruned::default() });
    assert_eq!(prune(harness).await, Pruned { tasks: 1, more: true, ..Pruned::default() });
    assert_eq!(prune(harness).await, Pruned::default());

    harness.pass(events_kept());
    let pruned = prune(harness).await;
    assert_eq!((pruned.tasks, pruned.events, pruned.more), (0, PRUNE_BATCH, true));
}

pub(super) async fn the_numbers_of_events_go_on_after_a_pruning(harness: &StoreHarness) {
    for _ in 0..3 {
        harness.submit_one(task()).await;
    }
    harness.pass(events_kept());
    assert_eq!(prune(harness).await, Pruned { events: 2, ..Pruned::default() });
    harness.submit_one(task()).await;

    let numbers: Vec<_> = harness.log().await.iter().map(|event| event.seq.0).collect();

    assert_eq!(numbers, [3, 4], "whoever has seen none begins with the oldest that is kept");
}

pub(super) async fn a_reader_that_was_overtaken_by_a_pruning_is_told(harness: &StoreHarness) {
    for _ in 0..4 {
        harness.submit_one(task()).await;
    }
    harness.pass(events_kept());
    prune_all(harness).await;
    let read = async |after| harness.store.events(Seq(after), EventFilter::default(), 10).await;

    let error = read(2).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Gone);
    assert!(error.to_string().contains("events 4 to 4"), "{error}");
    assert_eq!(read(3).await.unwrap().0.len(), 1, "it has seen all that was pruned");
}

pub(super) async fn a_reader_that_is_ahead_of_the_log_is_told(harness: &StoreHarness) {
    harness.submit_one(task()).await;
    let ahead = harness.store.events(Seq(2), EventFilter::default(), 10).await;
    assert_eq!(ahead.unwrap_err().kind(), StoreErrorKind::Gone);
    let at_the_end = harness.store.events(Seq(1), EventFilter::default(), 10).await.unwrap();
    assert_eq!(at_the_end, (Vec::new(), Seq(1)));
}
