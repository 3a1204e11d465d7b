//! The line between an agent and its store: it loses, delays, repeats and cuts, as a seed says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use graphium_core::id::AgentId;
use graphium_core::store::{
    AgentStore, ClaimAnswer, ClaimRequest, InventoryReport, StoreError, StoreErrorKind, Submission, Submitted,
    TaskStore,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

/// What becomes of one call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It goes through.
    None,
    /// The store never hears of it.
    LoseRequest,
    /// The store does it, and the caller hears of a failure.
    LoseAnswer,
    /// It takes this long there and this long back.
    Delay(Duration, Duration),
    /// It arrives twice.
    Repeat,
    /// It arrives now and once more much later, when nobody waits for the answer.
    Linger,
    /// It is never answered.
    Hang,
}

/// A store behind a faulty line.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn TaskStore>,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    rng: StdRng,
    /// How many of a hundred calls meet a fault.
    percent: u32,
    cut_until: BTreeMap<(AgentId, String), Instant>,
    lingering: BTreeMap<AgentId, ClaimRequest>,
    handed_back: usize,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn TaskStore>, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let percent = rng.random_range(0..40);
        let line = Line { rng, percent, cut_until: BTreeMap::new(), lingering: BTreeMap::new(), handed_back: 0 };
        Self { inner, line: Mutex::new(line) }
    }

    /// From now on everything goes through.
    pub(crate) fn heal(&self) {
        let mut line = self.line.lock().unwrap();
        line.percent = 0;
        line.cut_until.clear();
        line.lingering.clear();
    }

    /// Nothing that this agent says from this machine goes through for so long.
    pub(crate) fn cut(&self, agent: &AgentId, machine: &str, lasts: Duration) {
        let from = (agent.clone(), machine.to_owned());
        self.line.lock().unwrap().cut_until.insert(from, Instant::now() + lasts);
    }

    /// How many tasks agents handed back, repetitions included.
    pub(crate) fn handed_back(&self) -> usize {
        self.line.lock().unwrap().handed_back
    }

    /// Submits over the same line.
    pub(crate) async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError> {
        let fault = self.draw(None);
        self.pass(fault, || self.inner.submit(submission.clone())).await
    }

    fn draw(&self, from: Option<(&AgentId, &str)>) -> Fault {
        let Line { rng, percent, cut_until, .. } = &mut *self.line.lock().unwrap();
        let from = from.map(|(agent, machine)| (agent.clone(), machine.to_owned()));
        if from.and_then(|from| cut_until.get(&from)).is_some_and(|until| Instant::now() < *until) {
            return if rng.random_bool(0.3) { Fault::Hang } else { Fault::LoseRequest };
        }
        if rng.random_range(0..100) >= *percent {
            return Fault::None;
        }
        let mut upto = |millis| Duration::from_millis(rng.random_range(0..millis));
        let delay = Fault::Delay(upto(4_000), upto(4_000));
        match rng.random_range(0..12) {
            0..3 => Fault::LoseRequest,
            3..6 => Fault::LoseAnswer,
            6..8 => delay,
            8..10 => Fault::Repeat,
            10 => Fault::Linger,
            _ => Fault::Hang,
        }
    }

    /// Lets a call meet its fault.
    async fn pass<T, C>(&self, fault: Fault, call: impl Fn() -> C) -> Result<T, StoreError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        match fault {
            Fault::None | Fault::Linger => call().await,
            Fault::LoseRequest => lost().await,
            Fault::LoseAnswer => {
                drop(call().await);
                lost().await
            }
            Fault::Delay(there, back) => {
                sleep(there).await;
                let answer = call().await;
                sleep(back).await;
                answer
            }
            Fault::Repeat => {
                drop(call().await);
                call().await
            }
            Fault::Hang => std::future::pending().await,
        }
    }

    fn note(&self, agent: &AgentId, fault: Fault, request: &ClaimRequest) -> Option<ClaimRequest> {
        use graphium_core::store::ReportedStatus::HandedBack;
        let mut line = self.line.lock().unwrap();
        line.handed_back += request.reports.iter().filter(|report| report.status == HandedBack).count();
        let late = line.lingering.remove(agent);
        if matches!(fault, Fault::Linger) {
            line.lingering.insert(agent.clone(), ClaimRequest { wait: Duration::ZERO, ..request.clone() });
        }
        late
    }
}

async fn lost<T>() -> Result<T, StoreError> {
    sleep(Duration::from_millis(50)).await;
    Err(StoreError::new(StoreErrorKind::Unavailable, "the line lost it"))
}

#[async_trait]
impl AgentStore for FaultyStore {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let fault = self.draw(Some((agent, &request.machine)));
        if let Some(late) = self.note(agent, fault, &request) {
            drop(self.inner.claim(agent, late).await);
        }
        self.pass(fault, || self.inner.claim(agent, request.clone())).await
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        let fault = self.draw(Some((agent, &report.machine)));
        self.pass(fault, || self.inner.inventory(agent, report.clone())).await
    }
}
