//! A process with many agents of a server, each in a long poll.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use graphium_core::clock::{Clock, SystemClock};
use graphium_core::store::{Claimed, MAX_WAIT};
use graphium_http::client::{AgentCredential, AgentKey, Client, HttpAgent};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{orders, say};
use crate::life::{self, Worker};

const SLOTS: usize = 4;
/// An agent that lost its server tries again within this time, each at another moment; after each failure the time doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Where a task says when it was due, in microseconds since the Unix epoch.
const DUE: &str = "due";

/// Where they dial, from which address, and which agents they are.
#[derive(Debug, Args)]
pub(crate) struct Agents {
    url: String,
    from: IpAddr,
    first: usize,
    count: usize,
    key: String,
}

/// How they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentsSay {
    /// Those whose server has answered since they last lost it.
    pub(crate) connected: u64,
    /// Calls that failed.
    pub(crate) errors: u64,
    /// What the first of them said.
    pub(crate) first_error: Option<String>,
    /// How many tasks they got.
    pub(crate) started: u64,
}

/// How long after it was due each task came to its agent, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Starts(pub(crate) Vec<u64>);

#[derive(Debug, Default)]
struct Board {
    connected: AtomicU64,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
    starts: Mutex<Vec<u64>>,
}

/// A payload that says when the task was due.
pub(crate) fn due_payload(due: Instant) -> serde_json::Value {
    let mut payload = life::payload();
    payload[DUE] = SystemClock.now().before(due.elapsed()).as_micros().into();
    payload
}

impl Agents {
    pub(super) async fn play(self) -> anyhow::Result<()> {
        let key = AgentKey::from_text(&self.key)?;
        let board = Arc::new(Board::default());
        let mut agents = JoinSet::new();
        for number in self.first..self.first + self.count {
            // A client for each, as on hosts of their own: a shared one would hold more connections than there are agents.
            let client = Client::builder(&self.url).local_address(self.from).build()?;
            let credential = AgentCredential::new(life::agent(number)?, key.clone());
            let http = HttpAgent::new(client, credential);
            agents.spawn(live(Worker::new(Arc::new(http), life::agent(number)?), Arc::clone(&board)));
        }
        let mut orders = orders();
        while let Some(order) = orders.next_line().await? {
            match order.as_str() {
                "status" => say(&board.status())?,
                "starts" => say(&Starts(std::mem::take(&mut *lock(&board.starts))))?,
                _ => bail!("{order:?} is no order"),
            }
            if let Some(ended) = agents.try_join_next() {
                ended?.context("an agent ended")?;
            }
        }
        Ok(())
    }
}

/// One agent: greets the server, then waits for work, reports it with its next call, and greets anew after an error.
async fn live(worker: Worker, board: Arc<Board>) -> anyhow::Result<()> {
    let (mut connected, mut reports, mut pause) = (false, Vec::new(), FIRST_PAUSE);
    loop {
        let mut request = worker.hello();
        if connected {
            request = request.asking(SLOTS, MAX_WAIT);
            request.reports.clone_from(&reports);
        }
        match worker.store.claim(&worker.agent, request).await {
            Ok(_) if !connected => {
                (connected, pause) = (true, FIRST_PAUSE);
                board.connected.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => {
                board.note(&answer.claims)?;
                reports = answer.claims.iter().map(life::completed).collect();
            }
            Err(error) => {
                board.errors.fetch_add(1, Ordering::Relaxed);
                lock(&board.first_error).get_or_insert_with(|| error.to_string());
                if std::mem::take(&mut connected) {
                    board.connected.fetch_sub(1, Ordering::Relaxed);
                }
                sleep(pause.mul_f64(rand::random())).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

impl Board {
    /// Notes tasks that have come.
    fn note(&self, claims: &[Claimed]) -> anyhow::Result<()> {
        let now = SystemClock.now().as_micros();
        for claimed in claims {
            let due = claimed.task.spec.payload[DUE].as_i64().context("a task says when it was due")?;
            lock(&self.starts).push(u64::try_from(now - due)?);
        }
        Ok(())
    }

    fn status(&self) -> AgentsSay {
        AgentsSay {
            connected: self.connected.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            first_error: lock(&self.first_error).clone(),
            started: lock(&self.starts).len() as u64,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
