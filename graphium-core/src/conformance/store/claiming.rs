//! Claim: who gets which task, when, and how often.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{PATIENCE, completed, refused, task, task_for, task_in_lane};
use crate::id::{Attempt, ClaimId, TaskId};
use crate::store::{ClaimRequest, Claimed, MAX_REPORTS, MAX_SLOTS, MAX_WAIT, StoreErrorKind, StoreSettings};
use crate::task::{AGEING_STEP, MAX_WORD_BYTES, NewTask, Priority, Progress, TaskStatus};

fn ids(claims: &[Claimed]) -> Vec<TaskId> {
    claims.iter().map(|claimed| claimed.task.id()).collect()
}

pub(super) async fn two_claims_never_get_the_same_task(harness: &StoreHarness) {
    let submitted = harness.submit([task(), task(), task()]).await;
    let worker = harness.worker("vm1");

    let (first, second) = tokio::join!(worker.claim(2), worker.claim(2));

    let mut claimed = [ids(&first), ids(&second)].concat();
    claimed.sort_unstable();
    assert_eq!(claimed, submitted);
}

pub(super) async fn an_agent_gets_no_task_of_another(harness: &StoreHarness) {
    let id = harness.submit_one(task_for("vm2")).await;
    assert_eq!(harness.worker("vm1").claim_ids(9).await, []);
    assert_eq!(harness.worker("vm2").claim_ids(9).await, [id]);
}

pub(super) async fn tasks_are_claimed_in_order_of_priority_and_age(harness: &StoreHarness) {
    let mut urgent = task();
    urgent.priority = Priority::HIGHEST;
    let old = harness.submit_one(task()).await;
    let young = harness.submit_one(task()).await;
    let urgent = harness.submit_one(urgent).await;

    assert_eq!(harness.worker("vm1").claim_ids(3).await, [urgent, old, young]);
}

pub(super) async fn the_lowest_priority_waits_at_most_ten_steps(harness: &StoreHarness) {
    let with = |priority| {
        let mut task = task();
        task.priority = priority;
        task
    };
    let low = harness.submit_one(with(Priority::LOWEST)).await;
    harness.pass(AGEING_STEP * 10 - Duration::from_secs(1));
    let before = harness.submit_one(with(Priority::HIGHEST)).await;
    harness.pass(Duration::from_secs(2));
    let after = harness.submit_one(with(Priority::HIGHEST)).await;

    assert_eq!(harness.worker("vm1").claim_ids(3).await, [before, low, after]);
}

pub(super) async fn the_lowest_priority_has_its_turn_while_the_highest_never_ends(harness: &StoreHarness) {
    let with = |priority| NewTask { priority, ..task() };
    let worker = harness.worker("vm1");
    let low = harness.submit_one(with(Priority::LOWEST)).await;
    let (begun, service) = (harness.now(), Duration::from_secs(20));
    harness.submit_one(with(Priority::HIGHEST)).await;
    loop {
        // As much comes as is done: there is always one of the highest.
        harness.submit_one(with(Priority::HIGHEST)).await;
        let done = worker.work(completed()).await.task.id();
        let waited = harness.now().since(begun);
        if done == low {
            assert!(waited >= AGEING_STEP * 9, "it did not overtake: {waited:?}");
            return;
        }
        assert!(waited <= AGEING_STEP * 10 + service * 2, "it waits for {waited:?}");
        harness.pass(service);
    }
}

pub(super) async fn a_claim_for_nothing_answers_at_once(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    let worker = harness.worker("vm1");

    let answer = tokio::time::timeout(PATIENCE, worker.call(worker.hello().asking(0, MAX_WAIT))).await.unwrap();

    assert_eq!(answer.claims, []);
    assert_eq!(harness.status(id).await, TaskStatus::Pending);
}

pub(super) async fn a_claim_that_does_not_wait_answers_at_once(harness: &StoreHarness) {
    let answer = tokio::time::timeout(PATIENCE, harness.worker("vm1").claim(1)).await;
    assert_eq!(answer.unwrap(), []);
}

pub(super) async fn a_claim_waits_as_long_as_it_says(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let wait = Duration::from_secs(1);
    let asked = tokio::time::Instant::now();

    let answer = worker.call(worker.hello().asking(1, wait)).await;

    assert_eq!(answer.claims, []);
    assert!(asked.elapsed() >= wait, "answered after {:?}", asked.elapsed());
    assert!(asked.elapsed() < wait + PATIENCE, "answered after {:?}", asked.elapsed());
}

pub(super) async fn work_that_may_not_begin_yet_ends_no_wait(harness: &StoreHarness) {
    let first = harness.submit_one(task_in_lane()).await;
    harness.submit_one(task_in_lane()).await;
    harness.submit_one(task().after([first])).await;
    let worker = harness.worker("vm1");
    let held = worker.claim_one().await;
    let wait = Duration::from_millis(200);
    let asked = tokio::time::Instant::now();

    let answer = worker.call(ClaimRequest { slots: 1, wait, ..worker.working_on(&held) }).await;

    assert_eq!(answer.claims, []);
    assert!(asked.elapsed() >= wait, "answered after {:?}", asked.elapsed());
}

pub(super) async fn a_waiting_claim_gets_a_task_as_soon_as_it_is_submitted(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let waiting = worker.call(worker.hello().asking(1, MAX_WAIT));

    let submit = harness.once_waiting(&worker, harness.submit_one(task()));
    let (answer, id) = tokio::time::timeout(PATIENCE, async { tokio::join!(waiting, submit) }).await.unwrap();

    assert_eq!(ids(&answer.claims), [id]);
    assert!(answer.lease >= StoreSettings::default().lease);
}

pub(super) async fn a_task_wakes_one_of_two_waiting_claims(harness: &StoreHarness) {
    let worker = harness.worker("vm1");
    let wait = Duration::from_secs(2);
    let first = worker.call(worker.hello().asking(1, wait));
    let second = worker.call(worker.hello().asking(1, wait));

    let submit = harness.once_waiting(&worker, harness.submit_one(task()));
    let (first, second, id) = tokio::join!(first, second, submit);

    assert_eq!([ids(&first.claims), ids(&second.claims)].concat(), [id]);
}

pub(super) async fn the_same_claim_id_gets_the_same_tasks_again(harness: &StoreHarness) {
    harness.submit([task(), task(), task()]).await;
    let worker = harness.worker("vm1");
    let request = worker.hello().asking(2, Duration::ZERO);
    let first = worker.call(request.clone()).await;

    let again = worker.call(request.clone().asking(3, Duration::ZERO)).await;
    assert_eq!(ids(&again.claims), ids(&first.claims));
    assert_eq!(again.claims[0].attempt(), first.claims[0].attempt());

    let other = worker.claim(3).await;
    assert_eq!(other.len(), 1, "another claim id gets other tasks");
    worker.report(&first.claims[0], refused()).await;
    let rest = worker.call(request).await;
    assert_eq!(ids(&rest.claims), ids(&first.claims[1..]), "what is not held any more is not given again");
}

pub(super) async fn a_claim_for_one_task_takes_no_other(harness: &StoreHarness) {
    let submitted = harness.submit([task(), task()]).await;
    let worker = harness.worker("vm1");
    let mut request = worker.hello().asking(5, Duration::ZERO);
    request.only = Some(submitted[1]);

    assert_eq!(ids(&worker.call(request).await.claims), [submitted[1]]);
    assert_eq!(harness.status(submitted[0]).await, TaskStatus::Pending);
}

pub(super) async fn a_claim_for_a_task_that_is_not_claimable_takes_nothing(harness: &StoreHarness) {
    let parent = harness.submit_one(task()).await;
    let waits = harness.submit_one(task().after([parent])).await;
    let other = harness.submit_one(task_for("vm2")).await;
    let worker = harness.worker("vm1");
    for only in [waits, other, TaskId::generate()] {
        let mut request = worker.hello().asking(1, MAX_WAIT);
        request.only = Some(only);
        let answer = tokio::time::timeout(PATIENCE, worker.call(request)).await.unwrap();
        assert_eq!(answer.claims, []);
    }
    assert_eq!(harness.statuses(&[parent, waits, other]).await, [TaskStatus::Pending; 3]);
}

pub(super) async fn the_attempt_grows_at_each_claim_and_never_otherwise(harness: &StoreHarness) {
    let id = harness.submit_one(task()).await;
    assert_eq!(harness.task(id).await.attempt, Attempt(0));
    let worker = harness.worker("vm1");
    for number in 1..=3 {
        let claimed = worker.claim_one().await;
        assert_eq!(claimed.attempt(), Attempt(number));
        worker.report(&claimed, crate::store::ReportedStatus::Running).await;
        worker.report(&claimed, refused()).await;
        assert_eq!(harness.task(id).await.attempt, Attempt(number));
        harness.pass(Duration::from_secs(20));
    }
}

pub(super) async fn an_answer_says_how_long_lease_and_deadline_are(harness: &StoreHarness) {
    let mut task = task();
    task.timeout = Duration::from_secs(77);
    harness.submit_one(task).await;
    let worker = harness.worker("vm1");
    let request = worker.hello().asking(1, Duration::ZERO);

    let answer = worker.call(request.clone()).await;
    assert_eq!(answer.lease, StoreSettings::default().lease);
    assert_eq!(answer.claims[0].deadline, Duration::from_secs(77));

    harness.pass(Duration::from_secs(7));
    let again = worker.call(request).await;
    assert_eq!(again.lease, StoreSettings::default().lease);
    assert_eq!(again.claims[0].deadline, Duration::from_secs(70));
}

pub(super) async fn a_claim_over_a_limit_is_refused(harness: &StoreHarness) {
    harness.submit_one(task()).await;
    let worker = harness.worker("vm1");
    let running = crate::store::RunningTask { task: TaskId::generate(), attempt: Attempt(1), progress: None };
    let mut crowded = worker.hello();
    crowded.running = vec![running; MAX_REPORTS + 1];
    let long = worker.hello().asking(1, MAX_WAIT + Duration::from_secs(1));
    let many = worker.hello().asking(MAX_SLOTS + 1, Duration::ZERO);
    let mut nameless = worker.hello();
    nameless.machine.clear();
    let mut wordy = worker.hello();
    let progress = Progress { step: "x".repeat(MAX_WORD_BYTES + 1), percent: None, message: None };
    wordy.running =
        vec![crate::store::RunningTask { task: TaskId::generate(), attempt: Attempt(1), progress: Some(progress) }];
    for request in [crowded, long, many, nameless, wordy] {
        let error = worker.try_call(request).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
    }
    assert_eq!(harness.store.hosts().await.unwrap(), []);

    let mut most = worker.hello().asking(MAX_SLOTS, Duration::ZERO);
    most.claim_id = ClaimId::generate();
    assert_eq!(worker.call(most).await.claims.len(), 1);
}
