//! Records: compare, then set.

use serde_json::{Value, json};

use super::StoreHarness;
use super::scene::{cancel_reason, task};
use crate::store::{
    Expected, MAX_RECORD_NAME, PageRequest, RecordKey, RecordKind, RecordWrite, StoreErrorKind, Submission,
};
use crate::task::CancelReason;

fn key(name: &str) -> RecordKey {
    RecordKey::new(RecordKind::Token, name)
}

fn write(name: &str, expected: Expected, body: Option<Value>) -> Submission {
    let records = vec![RecordWrite { key: key(name), expected, body }];
    Submission { records, ..Submission::of("ann", []) }
}

async fn version(harness: &StoreHarness, submission: Submission) -> u64 {
    harness.store.submit(submission).await.unwrap().versions[0]
}

pub(super) async fn a_record_is_written_by_compare_and_set(harness: &StoreHarness) {
    let body = |n: u32| Some(json!({ "n": n }));
    assert_eq!(version(harness, write("a", Expected::Absent, body(1))).await, 1);
    assert_eq!(version(harness, write("a", Expected::Version(1), body(2))).await, 2);
    assert_eq!(version(harness, write("a", Expected::Anything, body(3))).await, 3);
    for wrong in [Expected::Absent, Expected::Version(2)] {
        assert_eq!(harness.refusal(write("a", wrong, body(4))).await, StoreErrorKind::Conflict);
        assert_eq!(harness.refusal(write("a", wrong, None)).await, StoreErrorKind::Conflict);
    }
    let missing = write("b", Expected::Version(1), body(1));
    assert_eq!(harness.refusal(missing).await, StoreErrorKind::Conflict);

    let record = harness.store.record(&key("a")).await.unwrap().unwrap();
    assert_eq!((record.version, record.body), (3, json!({ "n": 3 })));
    assert_eq!(harness.store.record(&key("b")).await.unwrap(), None);
}

pub(super) async fn a_record_that_is_not_as_expected_refuses_the_whole_submission(harness: &StoreHarness) {
    let mut submission = write("a", Expected::Absent, Some(json!(1)));
    submission.records.push(RecordWrite { key: key("b"), expected: Expected::Version(9), body: Some(json!(2)) });
    submission.tasks.push(task());

    let error = harness.store.submit(submission).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert!(error.to_string().contains("token b"), "{error}");
    assert_eq!(harness.store.record(&key("a")).await.unwrap(), None);
    assert_eq!(harness.log().await, []);
}

pub(super) async fn a_deleted_record_begins_again_at_version_one(harness: &StoreHarness) {
    version(harness, write("a", Expected::Absent, Some(json!(1)))).await;
    version(harness, write("a", Expected::Version(1), Some(json!(2)))).await;
    assert_eq!(version(harness, write("a", Expected::Version(2), None)).await, 0);
    assert_eq!(harness.store.record(&key("a")).await.unwrap(), None);
    assert_eq!(version(harness, write("a", Expected::Absent, Some(json!(3)))).await, 1);
}

pub(super) async fn records_are_listed_by_name_and_prefix(harness: &StoreHarness) {
    let all = || harness.store.records(RecordKind::Token, "", PageRequest::default());
    // A server in front of the store keeps some of its own.
    let before = all().await.unwrap().items.len();
    for name in ["shop/2", "shop/1", "shop/3", "shopping", "blog/1", "Shop/1", "shop%"] {
        version(harness, write(name, Expected::Absent, Some(json!(name)))).await;
    }
    let page = |after| PageRequest { limit: 2, after };
    let first = harness.store.records(RecordKind::Token, "shop/", page(None)).await.unwrap();
    let second = harness.store.records(RecordKind::Token, "shop/", page(first.next.clone())).await.unwrap();
    let names: Vec<_> = first.items.iter().chain(&second.items).map(|record| record.key.name.as_str()).collect();
    assert_eq!(names, ["shop/1", "shop/2", "shop/3"]);
    assert_eq!((first.items.len(), second.next), (2, None));

    assert_eq!(all().await.unwrap().items.len(), before + 7);
    let others = harness.store.records(RecordKind::Stack, "", PageRequest::default()).await.unwrap();
    assert_eq!(others.items, []);
}

pub(super) async fn a_record_has_a_name_within_bounds(harness: &StoreHarness) {
    for name in [String::new(), "x".repeat(MAX_RECORD_NAME + 1), "a\0b".into(), "a\nb".into()] {
        let refused = write(&name, Expected::Absent, Some(json!(1)));
        assert_eq!(harness.refusal(refused).await, StoreErrorKind::Invalid, "{name:?}");
    }
    let longest = "x".repeat(MAX_RECORD_NAME);
    assert_eq!(version(harness, write(&longest, Expected::Absent, Some(json!(1)))).await, 1);
}

pub(super) async fn text_comes_back_as_it_was_written(harness: &StoreHarness) {
    let odd = "quote ' \" \\ nul \0 line \n \u{2028} ä 字 🦀 %_ {\"a\":1}";
    let body = json!({ odd: odd, "large": u64::MAX, "small": i64::MIN, "exact": 0.1, "none": null });
    version(harness, write("ä 字 🦀 '%_\"", Expected::Absent, Some(body.clone()))).await;
    let record = harness.store.record(&key("ä 字 🦀 '%_\"")).await.unwrap().unwrap();
    assert_eq!(record.body, body);

    let task = task().with_payload(body);
    let submission = Submission::of(odd, [task.clone()]);
    let id = harness.store.submit(submission).await.unwrap().tasks[0].id();
    assert_eq!(*harness.task(id).await.spec, task);
    assert_eq!(harness.log().await[0].actor, odd);
    harness.store.cancel(id, odd).await.unwrap();
    assert_eq!(cancel_reason(&harness.task(id).await), CancelReason::Requested { by: odd.into() });
}
