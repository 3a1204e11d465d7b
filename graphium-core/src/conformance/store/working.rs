//! Working: what the list of running tasks says, and what the agent hears about it.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{PATIENCE, refused, task};
use crate::event::EventType;
use crate::id::Attempt;
use crate::store::{Directive, MAX_WAIT, RunningTask};
use crate::task::{CancelReason, Progress, TaskState, TaskStatus};

pub(super) async fn a_task_that_is_listed_has_begun(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    assert_eq!(harness.status(id).await, TaskStatus::Assigned);

    let answer = worker.call(worker.working_on(&claimed)).await;

    assert_eq!(answer.directives, []);
    assert_eq!(harness.status(id).await, TaskStatus::Running);
}

pub(super) async fn progress_is_kept_and_logged_once(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    let progress = Progress { step: "pull".into(), percent: Some(40), message: None };
    let mut request = worker.working_on(&claimed);
    request.running[0].progress = Some(progress.clone());

    worker.call(request.clone()).await;
    worker.call(request.clone()).await;
    request.running[0].progress = None;
    worker.call(request).await;

    let TaskState::Running { progress: kept, .. } = harness.task(id).await.state else { panic!("it runs") };
    assert_eq!(kept, Some(progress));
    let kinds: Vec<_> = harness.log().await.iter().filter(|e| e.task_id == Some(id)).map(|e| e.kind).collect();
    let updates = kinds.iter().filter(|kind| **kind == EventType::TaskUpdated).count();
    let progressed = kinds.iter().filter(|kind| **kind == EventType::TaskProgress).count();
    assert_eq!((updates, progressed), (2, 1), "{kinds:?}");
}

pub(super) async fn a_listed_task_that_is_not_held_is_lost(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let running = RunningTask { task: id, attempt: Attempt(1), progress: None };
    let request = crate::store::ClaimRequest { running: vec![running], ..worker.hello() };

    let answer = worker.call(request).await;

    assert_eq!(answer.directives, [Directive::Lost { task: id, attempt: Attempt(1) }]);
    assert_eq!(harness.status(id).await, TaskStatus::Pending);
}

pub(super) async fn a_listed_task_of_an_earlier_attempt_is_lost(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let first = worker.work(refused()).await;
    harness.pass(Duration::from_secs(20));
    let second = worker.claim_one().await;

    let answer = worker.call(worker.working_on(&first)).await;

    assert_eq!(answer.directives, [Directive::Lost { task: id, attempt: first.attempt() }]);
    assert_eq!(harness.task(id).await.attempt, second.attempt());
    assert_eq!(harness.status(id).await, TaskStatus::Assigned, "a stale list does not start it");
}

pub(super) async fn a_held_task_that_is_not_listed_stays_held(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    worker.call(worker.working_on(&claimed)).await;
    worker.call(worker.hello()).await;
    assert_eq!(harness.status(id).await, TaskStatus::Running);
}

pub(super) async fn a_cancel_reaches_the_agent_that_works(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    worker.call(worker.working_on(&claimed)).await;
    harness.store.cancel(id, "ann").await.unwrap();

    let order = Directive::Cancel {
        task: id,
        attempt: claimed.attempt(),
        reason: CancelReason::Requested { by: "ann".into() },
    };
    for _ in 0..2 {
        let answer = worker.call(worker.working_on(&claimed)).await;
        assert_eq!(answer.directives, vec![order.clone()], "it is told until it is done");
    }
}

pub(super) async fn a_cancel_ends_the_wait_of_the_agent_that_holds_the_task(harness: &StoreHarness) {
    let busy = harness.submit_one(task()).await;
    let assigned = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claims = worker.claim(2).await;
    harness.pass(Duration::from_secs(1));

    let waiting = worker.call(worker.working_on(&claims[0]).asking(1, MAX_WAIT));
    let cancel = harness.once_waiting(&worker, harness.store.cancel(assigned, "ann"));
    let (answer, cancelled) = tokio::time::timeout(PATIENCE, async { tokio::join!(waiting, cancel) }).await.unwrap();

    assert_eq!(cancelled.unwrap().status(), TaskStatus::Assigned);
    assert!(matches!(answer.directives[..], [Directive::Cancel { task, .. }] if task == assigned), "{answer:?}");
    assert_eq!(harness.status(busy).await, TaskStatus::Running);
}

pub(super) async fn a_directive_ends_a_wait_once(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    worker.call(worker.working_on(&claimed)).await;
    harness.store.cancel(id, "ann").await.unwrap();
    let asking = worker.working_on(&claimed).asking(1, Duration::from_secs(1));
    tokio::time::timeout(PATIENCE, worker.call(asking.clone())).await.unwrap();

    let asked = tokio::time::Instant::now();
    worker.call(asking).await;

    assert!(asked.elapsed() >= Duration::from_secs(1), "an agent that is cancelling may wait for other work");
}
