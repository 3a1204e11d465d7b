//! Looks at the engine and reports what runs there: first of all, on every change, and by a slow full scan.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::AgentConfig;
use super::backoff::{self, Backoff};
use super::session::unanswered;
use crate::deploy::{DeployError, DeployErrorKind, Deployer};
use crate::id::{AgentId, SessionId};
use crate::stack::{EngineInfo, Instance};
use crate::store::{AgentStore, InventoryReport, StoreError, StoreErrorKind};

/// How long changes are gathered before the engine is looked at: they come in bursts.
const GATHER: Duration = Duration::from_millis(200);
/// How long the engine may take to answer.
const ENGINE_PATIENCE: Duration = Duration::from_secs(30);
/// How often an engine that does not answer is asked again.
const ENGINE_RETRY: Duration = Duration::from_secs(2);

/// What the agent knows of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// There is none: nothing depends on it.
    None,
    /// The store has not heard yet what runs on it.
    Unseen,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl Engine {
    /// Whether work may be taken.
    pub(super) fn takes_work(self) -> bool {
        matches!(self, Self::None | Self::Up)
    }
}

/// Why the engine is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It is due, or a task has ended: the store is told even when nothing has changed.
    Due,
    /// Something may have changed.
    Hint,
}

/// What was seen on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    engine: Option<EngineInfo>,
    instances: Vec<Instance>,
}

/// When to look at the engine, and what was known before.
#[derive(Debug)]
pub(super) struct Look {
    due: Notify,
    /// How many attempts on this host have ended, as the store said last.
    attempts_ended: AtomicU64,
}

impl Look {
    /// Nothing is due yet, and so many attempts have ended.
    pub(super) fn new(attempts_ended: u64) -> Self {
        Self { due: Notify::new(), attempts_ended: AtomicU64::new(attempts_ended) }
    }

    /// The store said how many attempts have ended: what the engine shows after that is looked at.
    pub(super) fn after(&self, attempts_ended: u64) {
        if self.attempts_ended.swap(attempts_ended, Ordering::AcqRel) != attempts_ended {
            self.again();
        }
    }

    /// Looks again soon.
    pub(super) fn again(&self) {
        self.due.notify_one();
    }
}

/// Reports what runs on the engine of one host.
#[derive(Debug)]
pub(super) struct Inventory {
    agent: AgentId,
    machine: String,
    session: SessionId,
    store: Arc<dyn AgentStore>,
    deployer: Arc<dyn Deployer>,
    /// Told when a task has ended.
    look: Arc<Look>,
    engine: watch::Sender<Engine>,
    interval: Duration,
    call_timeout: Duration,
    seq: u64,
    told: Option<Sight>,
    told_at: Instant,
    backoff: Backoff,
}

impl Inventory {
    pub(super) fn new(
        config: &AgentConfig,
        session: SessionId,
        store: Arc<dyn AgentStore>,
        deployer: Arc<dyn Deployer>,
        look: Arc<Look>,
        engine: watch::Sender<Engine>,
    ) -> Self {
        Self {
            agent: config.id.clone(),
            machine: config.machine.clone(),
            session,
            store,
            deployer,
            look,
            engine,
            interval: config.inventory_interval,
            call_timeout: config.call_timeout,
            seq: 0,
            told: None,
            told_at: Instant::now(),
            backoff: Backoff::new(config.seed),
        }
    }

    /// Looks and reports for as long as it is polled.
    pub(super) async fn run(mut self) -> Infallible {
        let mut reason = Reason::Due;
        loop {
            let attempts_ended = self.look.attempts_ended.load(Ordering::Acquire);
            let sight = self.look().await;
            reason = match self.tell(sight, attempts_ended, reason).await {
                Ok(()) => self.next().await,
                Err(error) if error.kind() == StoreErrorKind::SessionEnded => std::future::pending().await,
                Err(error) => {
                    self.wait_for_store(&error).await;
                    Reason::Due
                }
            };
        }
    }

    /// What is there now. An engine that does not answer leaves what was seen last.
    async fn look(&mut self) -> Sight {
        let looked =
            timeout(ENGINE_PATIENCE, async { Ok((self.deployer.engine().await?, self.deployer.observe().await?)) });
        let slow = || DeployError::new(DeployErrorKind::Unavailable, format!("no answer within {ENGINE_PATIENCE:?}"));
        match looked.await.unwrap_or_else(|_| Err(slow())) {
            Ok((engine, instances)) => Sight { engine: Some(engine), instances },
            Err(error) => {
                if self.engine.send_replace(Engine::Down) != Engine::Down {
                    let error = &error as &dyn std::error::Error;
                    warn!(agent = %self.agent, error, "the engine does not answer: no work is taken until it does");
                }
                Sight {
                    engine: None,
                    instances: self.told.as_ref().map_or_else(Vec::new, |told| told.instances.clone()),
                }
            }
        }
    }

    /// Tells the store, unless a mere hint led to what it knows.
    async fn tell(&mut self, sight: Sight, attempts_ended: u64, reason: Reason) -> Result<(), StoreError> {
        if reason == Reason::Due || self.told.as_ref() != Some(&sight) {
            self.seq += 1;
            let report = InventoryReport {
                session: self.session,
                machine: self.machine.clone(),
                seq: self.seq,
                attempts_ended,
                engine: sight.engine.clone(),
                instances: sight.instances.clone(),
            };
            let call = self.store.inventory(&self.agent, report);
            timeout(self.call_timeout, call).await.unwrap_or_else(|_| Err(unanswered(self.call_timeout)))?;
            self.told_at = Instant::now();
            self.backoff.succeeded();
        }
        if sight.engine.is_some() && self.engine.send_replace(Engine::Up) != Engine::Up {
            info!(agent = %self.agent, instances = sight.instances.len(), "the engine answers: taking work");
        }
        self.told = Some(sight);
        Ok(())
    }

    /// Waits until there is a reason to look again.
    async fn next(&self) -> Reason {
        if *self.engine.borrow() == Engine::Down {
            sleep(ENGINE_RETRY).await;
            return Reason::Hint;
        }
        tokio::select! {
            biased;
            () = self.look.due.notified() => return Reason::Due,
            () = sleep_until(self.told_at + self.interval) => return Reason::Due,
            () = self.deployer.changed() => {}
        }
        tokio::select! {
            biased;
            () = self.look.due.notified() => Reason::Due,
            () = sleep(GATHER) => Reason::Hint,
        }
    }

    async fn wait_for_store(&mut self, error: &StoreError) {
        if !self.backoff.is_failing() {
            let error = error as &dyn std::error::Error;
            warn!(agent = %self.agent, error, "the store did not take the inventory: trying again");
        }
        sleep(self.backoff.failed(backoff::LONGEST)).await;
    }
}
