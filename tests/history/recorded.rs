//! The agent's side of the server with a journal, and with a bad habit: it repeats calls, at once or long afterwards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use graphium_core::id::AgentId;
use graphium_core::store::{
    AgentStore, ClaimAnswer, ClaimRequest, InventoryReport, Report, StoreError, StoreErrorKind,
};
use graphium_http::client::HttpAgent;
use graphium_tests::history::call::{Answer, Ending, Question, Repeat};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::journal::Journal;

/// How many of a hundred calls are made twice at once, and how many once more later.
const PERCENT_AT_ONCE: u32 = 5;
const PERCENT_LATE: u32 = 5;
/// How many calls wait to be repeated. More are forgotten.
const MAX_LATE: usize = 16;

/// The line of an agent.
#[derive(Debug)]
pub(crate) struct Recorded {
    inner: HttpAgent,
    journal: Arc<Journal>,
    lease: Duration,
    habit: Mutex<Habit>,
}

#[derive(Debug)]
struct Habit {
    rng: StdRng,
    /// It has none: every call is made once.
    calm: bool,
    late: Vec<(Instant, ClaimRequest)>,
}

impl Recorded {
    pub(crate) fn new(inner: HttpAgent, journal: Arc<Journal>, lease: Duration, seed: u64, calm: bool) -> Self {
        let habit = Habit { rng: StdRng::seed_from_u64(seed), calm, late: Vec::new() };
        Self { inner, journal, lease, habit: Mutex::new(habit) }
    }

    /// Whether this call is made twice at once; and those of earlier that are due again.
    fn draw(&self, request: &ClaimRequest) -> (bool, Vec<ClaimRequest>) {
        let Habit { rng, calm, late } = &mut *self.habit.lock().expect("nobody panics while holding it");
        if *calm {
            return (false, Vec::new());
        }
        let now = Instant::now();
        let due = late.extract_if(.., |(at, _)| *at <= now).map(|(_, request)| request).collect();
        if rng.random_range(0..100) < PERCENT_LATE && late.len() < MAX_LATE {
            let at = now + self.lease.mul_f64(rng.random_range(0.2..3.0));
            // One that is numbered is known to be late. One that is not only says again what was reported.
            let (call, slots) = if rng.random_bool(0.3) { (request.call, request.slots) } else { (None, 0) };
            late.push((at, ClaimRequest { wait: Duration::ZERO, call, slots, ..request.clone() }));
        }
        (rng.random_range(0..100) < PERCENT_AT_ONCE, due)
    }

    async fn say(&self, agent: &AgentId, request: ClaimRequest, repeated: Repeat) -> Result<ClaimAnswer, StoreError> {
        let ending = |report: &Report| (report.task, report.attempt, Ending::from(&report.status));
        let call = self.journal.asked(Question::Claim {
            agent: agent.clone(),
            session: request.session,
            claim_id: request.claim_id,
            reports: request.reports.iter().map(ending).collect(),
            repeated,
        });
        let answer = self.inner.claim(agent, request).await;
        self.journal.heard(call, heard(&answer));
        answer
    }
}

fn heard(answer: &Result<ClaimAnswer, StoreError>) -> Answer {
    match answer {
        Ok(answer) => Answer::Claimed {
            given: answer
                .claims
                .iter()
                .map(|claimed| {
                    let lane = claimed.task.spec.lane.as_ref().map(|lane| lane.as_str().to_owned());
                    (claimed.task.id(), claimed.attempt(), lane)
                })
                .collect(),
            receipts: answer.receipts.iter().map(|receipt| (receipt.task, receipt.attempt, receipt.answer)).collect(),
        },
        Err(error) if error.kind() == StoreErrorKind::Unavailable => Answer::Unknown(error.to_string()),
        Err(error) => Answer::Refused(error.kind().as_str().to_owned()),
    }
}

#[async_trait]
impl AgentStore for Recorded {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let (twice, due) = self.draw(&request);
        for late in due {
            // Whatever it brings, nobody waits for it: what it may have been given stays with it until its deadline.
            drop(self.say(agent, late, Repeat::Late).await);
        }
        let answer = self.say(agent, request.clone(), Repeat::No).await;
        if twice { self.say(agent, request, Repeat::AtOnce).await } else { answer }
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.inner.inventory(agent, report).await
    }
}
