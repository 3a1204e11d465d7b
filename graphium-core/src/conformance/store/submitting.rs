//! Submit: together or not at all, within limits.

use std::time::Duration;

use serde_json::json;

use super::StoreHarness;
use super::scene::{agent, stack, task};
use crate::event::{EventType, NewEvent};
use crate::id::TaskId;
use crate::store::{
    Expected, MAX_RECORDS_PER_SUBMISSION, MAX_TASKS_PER_SUBMISSION, RecordKey, RecordWrite, StoreErrorKind, Submission,
    TaskFilter,
};
use crate::task::{MAX_PAYLOAD_BYTES, NewTask, TaskStatus, TaskType};

fn whole(tasks: Vec<NewTask>) -> Submission {
    let record = RecordWrite {
        key: RecordKey::stack(&stack("shop")),
        expected: Expected::Absent,
        body: Some(json!({ "n": 1 })),
    };
    let event = NewEvent {
        kind: EventType::StackDeploying,
        task: None,
        stack: Some(stack("shop")),
        agent: None,
        actor: "ann".into(),
        data: json!({ "generation": 1 }),
    };
    Submission { records: vec![record], events: vec![event], ..Submission::of("ann", tasks) }
}

pub(super) async fn tasks_records_and_events_enter_together(harness: &StoreHarness) {
    let tasks = vec![task(), task()];
    let submitted = harness.store.submit(whole(tasks.clone())).await.unwrap();

    assert_eq!(submitted.versions, [1]);
    for (given, kept) in tasks.iter().zip(&submitted.tasks) {
        assert_eq!((&*kept.spec, kept.status()), (given, TaskStatus::Pending));
        assert_eq!((kept.created_at, kept.ready_at, kept.retry_count), (harness.now(), harness.now(), 0));
        assert_eq!(&harness.task(given.id).await, kept);
    }
    let record = harness.store.record(&RecordKey::stack(&stack("shop"))).await.unwrap().unwrap();
    assert_eq!((record.version, record.body, record.updated_at), (1, json!({ "n": 1 }), harness.now()));
    let log = harness.log().await;
    let kinds: Vec<_> = log.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventType::TaskCreated, EventType::TaskCreated, EventType::StackDeploying]);
    assert!(log.iter().all(|event| event.actor == "ann"), "{log:?}");
    assert_eq!(log[2].data, json!({ "generation": 1 }));
}

pub(super) async fn a_refused_submission_changes_nothing(harness: &StoreHarness) {
    let tasks = vec![task(), task().after([TaskId::generate()])];
    let ids = [tasks[0].id, tasks[1].id];

    assert_eq!(harness.refusal(whole(tasks)).await, StoreErrorKind::Invalid);

    for id in ids {
        assert_eq!(harness.store.task(id).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    }
    assert_eq!(harness.store.record(&RecordKey::stack(&stack("shop"))).await.unwrap(), None);
    assert_eq!(harness.log().await, []);
    assert_eq!(harness.store.stats().await.unwrap().by_status[&TaskStatus::Pending], 0);
    let page = harness.store.tasks(TaskFilter::default(), Default::default()).await.unwrap();
    assert_eq!(page.items, []);
}

pub(super) async fn a_task_id_is_used_once(harness: &StoreHarness) {
    let first = task();
    harness.submit_one(first.clone()).await;
    let mut other = first.clone();
    other.agent = agent("vm2");
    let again = Submission::of("ann", [other]);
    assert_eq!(harness.refusal(again).await, StoreErrorKind::Conflict);

    let twice = task();
    let twice = Submission::of("ann", [twice.clone(), twice]);
    assert_eq!(harness.refusal(twice).await, StoreErrorKind::Invalid);
    assert_eq!(*harness.task(first.id).await.spec, first);
}

pub(super) async fn a_submission_has_at_most_a_thousand_tasks(harness: &StoreHarness) {
    let tasks = |count: usize| (0..count).map(|_| task());
    let over = Submission::of("ann", tasks(MAX_TASKS_PER_SUBMISSION + 1));
    assert_eq!(harness.refusal(over).await, StoreErrorKind::Invalid);
    assert_eq!(harness.submit(tasks(MAX_TASKS_PER_SUBMISSION)).await.len(), MAX_TASKS_PER_SUBMISSION);
}

pub(super) async fn a_payload_that_does_not_fit_its_type_is_refused(harness: &StoreHarness) {
    let stop = NewTask::new(agent("vm1"), TaskType::Stop).with_payload(json!({ "timeout": 3 }));
    let id = stop.id;

    let error = harness.try_submit([stop]).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    let text = error.to_string();
    assert!(text.contains(&id.to_string()) && text.contains("containerName"), "{text}");
}

pub(super) async fn a_task_over_a_limit_is_refused(harness: &StoreHarness) {
    let mut large = task();
    large.payload = json!("x".repeat(MAX_PAYLOAD_BYTES));
    let mut hasty = task();
    hasty.timeout = Duration::ZERO;
    let mut stubborn = task();
    stubborn.max_retries = crate::task::MAX_RETRIES + 1;
    for task in [large, hasty, stubborn] {
        assert_eq!(harness.refusal(Submission::of("ann", [task])).await, StoreErrorKind::Invalid);
    }
}

pub(super) async fn a_submission_has_at_most_a_thousand_records_and_events(harness: &StoreHarness) {
    let one = whole(Vec::new());
    let mut records = Submission::of("ann", []);
    records.records = vec![one.records[0].clone(); MAX_RECORDS_PER_SUBMISSION + 1];
    let mut events = Submission::of("ann", []);
    events.events = vec![one.events[0].clone(); MAX_RECORDS_PER_SUBMISSION + 1];
    for over in [records, events.clone()] {
        assert_eq!(harness.refusal(over).await, StoreErrorKind::Invalid);
    }
    events.events.pop();
    harness.store.submit(events).await.unwrap();
    assert_eq!(harness.log().await.len(), MAX_RECORDS_PER_SUBMISSION);
}
