//! One attempt: runs the executor within its deadline, obeys orders to stop, and says what became of it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::deploy::{ProgressSink, StepContext, WorkTime};
use crate::execute::{Execution, Executor};
use crate::id::{Attempt, TaskId};
use crate::store::ReportedStatus;
use crate::task::{Failure, FailureCode, Progress, Task};

/// How long work gets to end by itself after its deadline. The store waits longer before it settles the attempt.
const DEADLINE_GRACE: Duration = Duration::from_secs(5);

/// Why work is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody, or a rule, cancelled the task.
    Cancelled,
    /// The agent is stopping.
    Stopping,
    /// The store was not heard of for nearly a lease.
    LeaseEnding,
    /// The attempt took too long.
    Deadline,
    /// The task is somebody else's now.
    Lost,
}

/// An order to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) cause: Cause,
    /// When work that goes on is dropped.
    pub(super) drop_at: Instant,
}

impl Cause {
    /// Whether work gets the time to finish what it must not break off.
    fn is_patient(self) -> bool {
        match self {
            Self::Cancelled | Self::Stopping | Self::Deadline => true,
            Self::LeaseEnding | Self::Lost => false,
        }
    }
}

impl Order {
    /// This order after a standing one: the first cause counts, unless the task is lost, and the earlier end.
    pub(super) fn after(self, standing: Option<Self>) -> Self {
        standing.map_or(self, |standing| Self {
            cause: if self.cause == Cause::Lost { Cause::Lost } else { standing.cause },
            drop_at: standing.drop_at.min(self.drop_at),
        })
    }
}

/// What became of an attempt, and whether anybody must hear of it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) task: TaskId,
    pub(super) attempt: Attempt,
    /// None when the attempt was lost.
    pub(super) status: Option<ReportedStatus>,
}

/// What an executor said last about how far it is.
#[derive(Debug)]
pub(super) struct LatestProgress {
    latest: watch::Sender<Option<Progress>>,
    news: Arc<Notify>,
}

impl LatestProgress {
    pub(super) fn new(news: Arc<Notify>) -> Self {
        Self { latest: watch::Sender::new(None), news }
    }

    pub(super) fn get(&self) -> Option<Progress> {
        self.latest.borrow().clone()
    }
}

impl ProgressSink for LatestProgress {
    fn report(&self, progress: Progress) {
        self.latest.send_replace(Some(progress.cut()));
        self.news.notify_one();
    }
}

/// An attempt about to be made.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) task: Task,
    /// None when nobody here runs tasks of that type.
    pub(super) executor: Option<Arc<dyn Executor>>,
    pub(super) deadline: Instant,
    pub(super) progress: Arc<LatestProgress>,
    pub(super) orders: watch::Receiver<Option<Order>>,
}

/// How the executor's future ended.
enum End {
    Said(Execution),
    Panicked(String),
    Dropped,
}

impl Worker {
    /// Makes the attempt.
    pub(super) async fn work(mut self) -> Ended {
        let (task, attempt) = (self.task.id(), self.task.attempt);
        let status = match self.executor.take() {
            Some(executor) => self.supervise(&*executor).await,
            None => Some(ReportedStatus::Failed(Failure::new(
                FailureCode::Unsupported,
                format!("agent {} has no executor for {} tasks", self.task.agent(), self.task.spec.task_type),
            ))),
        };
        Ended { task, attempt, status }
    }

    async fn supervise(&mut self, executor: &dyn Executor) -> Option<ReportedStatus> {
        let cancel = CancellationToken::new();
        let progress: Arc<dyn ProgressSink> = Arc::<LatestProgress>::clone(&self.progress);
        let time = WorkTime::until(self.deadline);
        let context = StepContext { cancel: cancel.clone(), progress, task: Some(self.task.id()), time: time.clone() };
        let task = self.task.clone();
        // An executor that panics is gone with everything it held, so nothing can be seen half changed.
        let mut work = std::pin::pin!(AssertUnwindSafe(executor.execute(&task, &context)).catch_unwind());
        let mut order: Option<Order> = None;
        let end = loop {
            let drop_at = order.map_or(self.deadline, |order| self.drop_at(order, &time));
            tokio::select! {
                biased;
                end = &mut work => break match end {
                    Ok(execution) => End::Said(execution),
                    Err(panic) => End::Panicked(panic_message(&*panic)),
                },
                Ok(()) = self.orders.changed() => {
                    let new = *self.orders.borrow_and_update();
                    order = new.map(|new| new.after(order)).or(order);
                }
                () = sleep_until(drop_at) => match order {
                    // What must not be broken off may have begun meanwhile.
                    Some(order) if self.drop_at(order, &time) > drop_at => {}
                    Some(_) => break End::Dropped,
                    None => order = Some(Order { cause: Cause::Deadline, drop_at: drop_at + DEADLINE_GRACE }),
                },
            }
            match order {
                Some(Order { cause: Cause::Lost, .. }) => break End::Dropped,
                Some(_) => cancel.cancel(),
                None => {}
            }
        };
        self.verdict(order.map(|order| order.cause), end)
    }

    /// When work that was told to stop is dropped: where it must finish something first, a grace after that, but before the
    /// store settles the attempt.
    fn drop_at(&self, order: Order, time: &WorkTime) -> Instant {
        match time.busy_until().filter(|_| order.cause.is_patient()) {
            Some(busy_until) => (busy_until + DEADLINE_GRACE).min(self.deadline + DEADLINE_GRACE).max(order.drop_at),
            None => order.drop_at,
        }
    }

    /// What is reported. Whatever was asked, an executor that says what it did is believed.
    fn verdict(&self, cause: Option<Cause>, end: End) -> Option<ReportedStatus> {
        let failed =
            |code, message: String| Some(ReportedStatus::Failed(self.in_its_step(Failure::new(code, message))));
        let undone = match (cause, end) {
            (Some(Cause::Lost), _) => return None,
            (_, End::Panicked(message)) => {
                return failed(FailureCode::Internal, format!("the executor panicked: {message}"));
            }
            (_, End::Said(Execution::Completed(outcome))) => return Some(ReportedStatus::Completed(outcome)),
            (Some(Cause::Deadline), End::Said(Execution::Failed(failure))) => Some(failure.message),
            (_, End::Said(Execution::Failed(failure))) => return Some(ReportedStatus::Failed(failure)),
            (_, End::Said(Execution::Cancelled(undone))) => undone,
            (_, End::Dropped) => Some("it did not end by itself and was dropped: what it began may be left".to_owned()),
        };
        match cause {
            Some(Cause::Cancelled) => Some(ReportedStatus::Cancelled(undone)),
            Some(Cause::Stopping) => Some(ReportedStatus::HandedBack),
            Some(Cause::Deadline) => {
                let limit = format!("it took longer than its timeout of {:?}", self.task.spec.timeout);
                failed(FailureCode::Timeout, with_detail(limit, undone))
            }
            Some(Cause::LeaseEnding) => {
                let cut = "the agent could not reach the store for nearly a lease and stopped it".to_owned();
                failed(FailureCode::Lost, with_detail(cut, undone))
            }
            Some(Cause::Lost) | None => {
                let odd = "the executor says that it was cancelled, which nobody asked for".to_owned();
                failed(FailureCode::Internal, with_detail(odd, undone))
            }
        }
    }

    fn in_its_step(&self, failure: Failure) -> Failure {
        match self.progress.get() {
            Some(progress) => failure.in_step(progress.step),
            None => failure,
        }
    }
}

fn with_detail(message: String, detail: Option<String>) -> String {
    match detail {
        Some(detail) => format!("{message}; {detail}"),
        None => message,
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
