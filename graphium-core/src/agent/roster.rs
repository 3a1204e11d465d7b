//! The tasks in hand: who works on them, what waits for its lane, and what they say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info};

use super::worker::{Cause, Ended, LatestProgress, Order, Worker};
use crate::execute::ExecutorRegistry;
use crate::id::{Attempt, TaskId};
use crate::store::{Claimed, ReportedStatus, RunningTask};
use crate::task::{Failure, FailureCode, Lane, Progress};

/// How often the progress of one task is told, at most.
pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Held {
    attempt: Attempt,
    lane: Option<Lane>,
    orders: watch::Sender<Option<Order>>,
    progress: Arc<LatestProgress>,
    told: Option<Progress>,
    told_at: Option<Instant>,
    worker: tokio::task::Id,
}

/// A claimed task that has not begun: its lane is busy here, or the lease is not known to live.
#[derive(Debug)]
struct Parked {
    claimed: Claimed,
    deadline: Instant,
}

/// Every task that the store gave to this agent and has not heard the end of.
#[derive(Debug)]
pub(super) struct Roster {
    executors: ExecutorRegistry,
    held: BTreeMap<TaskId, Held>,
    parked: Vec<Parked>,
    workers: JoinSet<Ended>,
    news: Arc<Notify>,
}

impl Roster {
    pub(super) fn new(executors: ExecutorRegistry) -> Self {
        Self { executors, held: BTreeMap::new(), parked: Vec::new(), workers: JoinSet::new(), news: Arc::default() }
    }

    /// How many tasks are in hand.
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.parked.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this attempt is in hand.
    pub(super) fn has(&self, task: TaskId, attempt: Attempt) -> bool {
        self.held.get(&task).is_some_and(|held| held.attempt == attempt)
            || self.parked.iter().any(|parked| parked.is(task, attempt))
    }

    /// Takes a task in hand. Its deadline runs from now on; it begins with [`begin`](Self::begin).
    pub(super) fn take(&mut self, claimed: Claimed) {
        if let Some(earlier) = self.held.get(&claimed.task.id()) {
            earlier.order(Cause::Lost, Instant::now());
        }
        let deadline = Instant::now() + claimed.deadline;
        self.parked.push(Parked { claimed, deadline });
    }

    /// Begins what can begin: no two tasks of a lane run at once, nor two attempts of one task.
    pub(super) fn begin(&mut self) {
        for parked in std::mem::take(&mut self.parked) {
            if self.is_busy(&parked.claimed) { self.parked.push(parked) } else { self.spawn(parked) }
        }
    }

    fn is_busy(&self, claimed: &Claimed) -> bool {
        let lane = claimed.task.spec.lane.as_ref();
        self.held.contains_key(&claimed.task.id())
            || lane.is_some_and(|lane| self.held.values().any(|held| held.lane.as_ref() == Some(lane)))
    }

    fn spawn(&mut self, parked: Parked) {
        let task = parked.claimed.task;
        let (id, attempt, lane) = (task.id(), task.attempt, task.spec.lane.clone());
        info!(task = %id, %attempt, task_type = %task.spec.task_type, "begin");
        let progress = Arc::new(LatestProgress::new(Arc::clone(&self.news)));
        let (orders, obeyed) = watch::channel(None);
        let worker = Worker {
            executor: self.executors.get(&task.spec.task_type).cloned(),
            task,
            deadline: parked.deadline,
            progress: Arc::clone(&progress),
            orders: obeyed,
        };
        let worker = self.workers.spawn(worker.work()).id();
        self.held.insert(id, Held { attempt, lane, orders, progress, told: None, told_at: None, worker });
    }

    /// Waits for the end of an attempt. Cancel safe; never answers while none runs.
    pub(super) async fn ended(&mut self) -> Ended {
        let ended = match self.workers.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(broken)) => self.broken(&broken),
            None => std::future::pending().await,
        };
        if self.held.get(&ended.task).is_some_and(|held| held.attempt == ended.attempt) {
            self.held.remove(&ended.task);
        }
        ended
    }

    /// A worker catches the panics of its executor; one in the executor's own clean-up ends up here.
    fn broken(&self, broken: &tokio::task::JoinError) -> Ended {
        let found = self.held.iter().find(|(_, held)| held.worker == broken.id());
        let (task, held) = found.expect("every worker is held until it has ended");
        error!(%task, attempt = %held.attempt, error = broken as &dyn std::error::Error, "a worker broke");
        let failure = Failure::new(FailureCode::Internal, format!("the worker broke: {broken}"));
        Ended { task: *task, attempt: held.attempt, status: Some(ReportedStatus::Failed(failure)) }
    }

    /// Tells an attempt that runs to stop. Answers whether that is news to it.
    pub(super) fn order(&self, task: TaskId, attempt: Attempt, cause: Cause, drop_at: Instant) -> bool {
        self.held.get(&task).filter(|held| held.attempt == attempt).is_some_and(|held| held.order(cause, drop_at))
    }

    /// Tells everything that runs to stop.
    pub(super) fn order_all(&self, cause: Cause, drop_at: Instant) {
        for held in self.held.values() {
            held.order(cause, drop_at);
        }
    }

    /// Gives up a task that has not begun. Answers whether there was one.
    pub(super) fn unpark(&mut self, task: TaskId, attempt: Attempt) -> bool {
        let before = self.parked.len();
        self.parked.retain(|parked| !parked.is(task, attempt));
        self.parked.len() < before
    }

    /// Gives up everything that has not begun.
    pub(super) fn unpark_all(&mut self) -> Vec<Claimed> {
        self.parked.drain(..).map(|parked| parked.claimed).collect()
    }

    /// What is being worked on, with progress where there is news of it.
    pub(super) fn running(&self) -> Vec<RunningTask> {
        let tell = |(task, held): (&TaskId, &Held)| RunningTask {
            task: *task,
            attempt: held.attempt,
            progress: held.progress_due().filter(|due| *due <= Instant::now()).and_then(|_| held.progress.get()),
        };
        self.held.iter().map(tell).collect()
    }

    /// The store has heard this.
    pub(super) fn told(&mut self, running: &[RunningTask]) {
        for RunningTask { task, attempt, progress } in running {
            if let (Some(held), Some(progress)) = (self.held.get_mut(task), progress)
                && held.attempt == *attempt
            {
                held.told = Some(progress.clone());
                held.told_at = Some(Instant::now());
            }
        }
    }

    /// When there is progress to tell next; none while there is no news.
    pub(super) fn progress_due(&self) -> Option<Instant> {
        self.held.values().filter_map(Held::progress_due).min()
    }

    pub(super) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Drops all work at once and waits until it is gone.
    pub(super) async fn abandon(&mut self) {
        self.parked.clear();
        self.workers.shutdown().await;
        self.held.clear();
    }
}

impl Parked {
    fn is(&self, task: TaskId, attempt: Attempt) -> bool {
        (self.claimed.task.id(), self.claimed.task.attempt) == (task, attempt)
    }
}

impl Held {
    fn order(&self, cause: Cause, drop_at: Instant) -> bool {
        self.orders.send_if_modified(|standing| {
            let order = Some(Order { cause, drop_at }.after(*standing));
            let is_news = *standing != order;
            *standing = order;
            is_news
        })
    }

    fn progress_due(&self) -> Option<Instant> {
        let news = self.progress.get().filter(|progress| Some(progress) != self.told.as_ref());
        news.map(|_| self.told_at.map_or_else(Instant::now, |at| at + PROGRESS_INTERVAL))
    }
}
