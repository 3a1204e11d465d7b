//! Racing: whatever two processes of one agent do, an attempt is in one hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use super::StoreHarness;
use super::scene::{Worker, completed, refused, report, task};
use crate::id::{Attempt, SessionId, TaskId};
use crate::store::{Claimed, ReportAnswer, StoreErrorKind};
use crate::task::{BACKOFF_CAP, MAX_RETRIES, TaskStatus};

const TASKS: usize = 1000;

/// What the racers know together.
#[derive(Default)]
struct Race {
    /// Which session was given which attempt.
    given: Mutex<BTreeMap<(TaskId, Attempt), SessionId>>,
    /// What a session held when it was taken over from.
    orphans: Mutex<Vec<Claimed>>,
}

pub(super) async fn two_sessions_race_for_a_thousand_tasks(harness: &StoreHarness) {
    let patient = || {
        let mut task = task();
        task.max_retries = MAX_RETRIES;
        task
    };
    let ids = harness.submit((0..TASKS).map(|_| patient())).await;
    let race = Arc::new(Race::default());

    let mut rounds = 0;
    while harness.store.stats().await.unwrap().by_status[&TaskStatus::Completed] < TASKS as u64 {
        let (one, other) = (harness.worker("vm1"), harness.worker("vm1"));
        let mut lives = JoinSet::new();
        lives.spawn(live(one, Arc::clone(&race)));
        lives.spawn(live(other, Arc::clone(&race)));
        lives.join_all().await;
        harness.pass(BACKOFF_CAP);
        rounds += 1;
        assert!(rounds < TASKS, "the race ends");
    }

    assert!(rounds > 1, "somebody was taken over from");
    for id in ids {
        let history = harness.store.history(id).await.unwrap();
        let completed = history.attempts.iter().filter(|attempt| attempt.ended.as_deref() == Some("completed"));
        assert_eq!(completed.count(), 1, "{history:?}");
        let numbers: Vec<_> = history.attempts.iter().map(|attempt| attempt.attempt.0).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        let settled = history.events.iter().position(|event| event.data["status"] == "completed").unwrap();
        assert_eq!(settled, history.events.len() - 1, "nothing changed a settled task");
    }
}

/// One life of a process: it works until the other takes over, and says late what earlier lives would have said.
async fn live(worker: Worker, race: Arc<Race>) {
    let mut held: Vec<Claimed> = Vec::new();
    for turn in 0..10 {
        let late = std::mem::take(&mut *race.orphans.lock().unwrap());
        let status = if turn % 5 == 4 { refused() } else { completed() };
        let mut request = worker.hello().asking(8, Duration::ZERO);
        let all = late.iter().map(|claimed| report(claimed, completed()));
        request.reports = all.chain(held.iter().map(|claimed| report(claimed, status.clone()))).collect();
        match worker.try_call(request).await {
            Ok(answer) => {
                let answers: Vec<_> = answer.receipts.iter().map(|receipt| receipt.answer).collect();
                assert_eq!(answers[..late.len()], vec![ReportAnswer::StaleAttempt; late.len()]);
                assert_eq!(answers[late.len()..], vec![ReportAnswer::Accepted; held.len()]);
                held = answer.claims;
                race.note(worker.session, &held);
            }
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::SessionEnded, "{error}");
                race.orphans.lock().unwrap().extend(late.into_iter().chain(held));
                return;
            }
        }
        tokio::task::yield_now().await;
    }
    race.orphans.lock().unwrap().extend(held);
}

impl Race {
    fn note(&self, session: SessionId, claims: &[Claimed]) {
        let mut given = self.given.lock().unwrap();
        for claimed in claims {
            let earlier = given.insert((claimed.task.id(), claimed.attempt()), session);
            assert_eq!(earlier, None, "attempt {} of {} was given twice", claimed.attempt(), claimed.task.id());
        }
    }
}
