//! Events: one log of everything, dense and in order.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{PATIENCE, agent, completed, refused, stack, task, task_for, task_of};
use crate::event::EventType;
use crate::id::{Attempt, Seq};
use crate::store::{EventFilter, MAX_PAGE, StoreErrorKind};

pub(super) async fn every_change_of_a_task_is_in_the_log(harness: &StoreHarness) {
    let id = harness.submit_one(task_of(1)).await;
    let worker = harness.worker("vm1");
    let claimed = worker.claim_one().await;
    worker.call(worker.working_on(&claimed)).await;
    worker.report(&claimed, refused()).await;
    harness.pass(Duration::from_secs(20));
    worker.work(completed()).await;

    let mut log = harness.log().await;
    log.retain(|event| event.task_id == Some(id));
    assert!(log.iter().all(|event| event.stack_id == Some(stack("shop")) && event.agent_id == Some(agent("vm1"))));
    let told: Vec<_> = log
        .iter()
        .map(|event| (event.data["status"].as_str().unwrap_or(""), event.actor.as_str(), event.data["attempt"].clone()))
        .collect();
    let by_agent = "agent:vm1";
    let expected = [
        ("pending", "ann", 0),
        ("assigned", by_agent, 1),
        ("running", by_agent, 1),
        ("pending", by_agent, 1),
        ("assigned", by_agent, 2),
        ("completed", by_agent, 2),
    ];
    assert_eq!(told, expected.map(|(status, actor, attempt)| (status, actor, serde_json::json!(attempt))));
    assert_eq!(log[3].data["error"]["code"], "engine_unavailable");
    assert_eq!(log[3].data["previousStatus"], "running");
}

pub(super) async fn the_log_is_dense_and_in_order(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    for _ in 0..20 {
        harness.submit_one(task()).await;
        worker.work(completed()).await;
    }
    let mut seen = Vec::new();
    loop {
        let after = Seq(seen.len() as u64);
        let (events, examined) = harness.store.events(after, EventFilter::default(), 7).await.unwrap();
        if events.is_empty() {
            assert_eq!(examined, after);
            break;
        }
        assert_eq!(examined, events.last().unwrap().seq);
        seen.extend(events);
    }
    let numbers: Vec<_> = seen.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, (1..=61).collect::<Vec<_>>(), "a host, and three for each task");
    let error = harness.store.events(Seq(0), EventFilter::default(), MAX_PAGE + 1).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
}

pub(super) async fn a_filter_narrows_the_log_and_says_how_far_it_came(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    harness.submit([task_for("vm2"), task_of(1), task_for("vm2")]).await;
    harness.store.cancel(id, "ann").await.unwrap();
    let found = async |filter: EventFilter| {
        let (events, examined) = harness.store.events(Seq(0), filter, 100).await.unwrap();
        (events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), examined.0)
    };

    let updated = EventFilter { kinds: vec![EventType::TaskUpdated], ..EventFilter::default() };
    assert_eq!(found(updated).await, (vec![5], 5));
    assert_eq!(found(EventFilter { task: Some(id), ..EventFilter::default() }).await, (vec![1, 5], 5));
    assert_eq!(found(EventFilter { agent: Some(agent("vm2")), ..EventFilter::default() }).await, (vec![2, 4], 5));
    assert_eq!(found(EventFilter { stack: Some(stack("shop")), ..EventFilter::default() }).await, (vec![3], 5));
    assert_eq!(found(EventFilter { of_stacks: true, ..EventFilter::default() }).await, (vec![3], 5));
    let none = EventFilter { kinds: vec![EventType::HostRemoved], ..EventFilter::default() };
    assert_eq!(found(none).await, (vec![], 5));

    let narrow = EventFilter { agent: Some(agent("vm2")), ..EventFilter::default() };
    let (events, examined) = harness.store.events(Seq(0), narrow, 1).await.unwrap();
    assert_eq!((events.len(), examined), (1, Seq(2)), "what follows a full page has not been examined");
}

pub(super) async fn the_head_moves_with_the_log(harness: &StoreHarness) {
    let mut head = harness.store.head();
    let before = *head.borrow_and_update();

    harness.submit([task(), task()]).await;

    tokio::time::timeout(PATIENCE, head.wait_for(|seq| seq.0 == before.0 + 2)).await.unwrap().unwrap();
    assert_eq!(*harness.store.head().borrow(), Seq(before.0 + 2));
}

pub(super) async fn a_history_has_every_attempt_and_event(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    worker.work(refused()).await;
    harness.pass(Duration::from_secs(20));
    let assigned_at = harness.now();
    let claimed = worker.claim_one().await;
    worker.call(worker.working_on(&claimed)).await;
    harness.pass(Duration::from_secs(3));
    worker.report(&claimed, completed()).await;

    let history = harness.store.history(id).await.unwrap();

    let [first, second] = &history.attempts[..] else { panic!("two attempts: {history:?}") };
    assert_eq!((first.attempt, first.ended.as_deref(), first.started_at), (Attempt(1), Some("failed"), None));
    assert!(first.error.as_ref().unwrap().contains("engine_unavailable"));
    assert_eq!((second.attempt, second.ended.as_deref()), (Attempt(2), Some("completed")));
    assert_eq!(
        (second.assigned_at, second.started_at, second.ended_at),
        (assigned_at, Some(assigned_at), Some(harness.now()))
    );
    assert_eq!((second.session, second.error.clone()), (worker.session, None));
    assert_eq!(history.events.len(), 6);
    assert!(history.events.is_sorted_by_key(|event| event.seq));
}
