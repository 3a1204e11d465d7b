//! The loop: one call at a time that renews the session, reports and asks for work.
//!
//! A call with something to tell comes back at once. A call with nothing to tell waits for work, and is dropped when
//! there is news: the next one carries the same claim id, so work that the dropped one was given is not lost.
//! A call is never dropped for news while it tells something, so a stream of news cannot keep it from its answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::backoff::{self, Backoff};
use super::inventory::{Engine, Look};
use super::lease::Lease;
use super::reporter::Reporter;
use super::roster::Roster;
use super::session::{Begun, Calls, unanswered};
use super::worker::{Cause, Ended};
use super::{AgentConfig, AgentError};
use crate::execute::ExecutorRegistry;
use crate::id::{Attempt, ClaimId, SessionId, TaskId};
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, Claimed, Directive, ReportedStatus, StoreError, StoreErrorKind,
};

/// How soon a call is repeated when its answer came early and said nothing new, as while a cancel is being obeyed.
const PACE: Duration = Duration::from_secs(1);
/// The same while there is neither work nor room for some, as while the engine does not answer.
const IDLE_PACE: Duration = Duration::from_secs(5);
/// How long a stopping agent tries to deliver its last reports.
const FLUSH: Duration = Duration::from_secs(10);

/// How far a graceful stop is.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// Nobody asked for one.
    No,
    /// Work may finish until then.
    Finishing(Instant),
    /// What did not finish was told to stop.
    HandingBack,
    /// Nothing runs any more; reports are delivered until then.
    Flushing(Instant),
}

/// Owns the agent's side of the conversation with the store.
#[derive(Debug)]
pub(super) struct Poller {
    config: AgentConfig,
    session: SessionId,
    store: Arc<dyn AgentStore>,
    lease: Lease,
    calls: Calls,
    /// Whether work was told that the lease is ending, since it was last renewed.
    lease_ending: bool,
    claim_id: ClaimId,
    /// Whether a call asked for work under that id and was not answered.
    claim_open: bool,
    roster: Roster,
    reporter: Reporter,
    engine: watch::Receiver<Engine>,
    look: Arc<Look>,
    shutdown: CancellationToken,
    stop: Stop,
    backoff: Backoff,
    complaint: Option<StoreErrorKind>,
}

impl Poller {
    #[expect(clippy::too_many_arguments, reason = "called once, by the agent that owns all of it")]
    pub(super) fn new(
        config: AgentConfig,
        session: SessionId,
        begun: Begun,
        store: Arc<dyn AgentStore>,
        executors: ExecutorRegistry,
        engine: watch::Receiver<Engine>,
        look: Arc<Look>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            backoff: Backoff::new(config.seed),
            config,
            session,
            store,
            lease: begun.lease,
            calls: begun.calls,
            lease_ending: false,
            claim_id: ClaimId::generate(),
            claim_open: false,
            roster: Roster::new(executors),
            reporter: Reporter::default(),
            engine,
            look,
            shutdown,
            stop: Stop::No,
            complaint: None,
        }
    }

    /// Calls until a graceful stop is over or another process took over.
    pub(super) async fn run(mut self) -> Result<(), AgentError> {
        while !self.is_done() {
            let request = self.request();
            let sent = Instant::now();
            match self.call(&request).await {
                Ok(Some(answer)) => {
                    let said_something = self.hear(&request, answer, sent);
                    if !said_something && (waits(&request) || !request.reports.is_empty()) {
                        self.pause(sent + self.pace(), |poller| poller.is_outdated(&request)).await;
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == StoreErrorKind::SessionEnded => {
                    error!(agent = %self.config.id, "another process took over: all work stops");
                    self.roster.abandon().await;
                    return Err(AgentError::TakenOver { agent: self.config.id });
                }
                Err(error) => {
                    let until = self.complain(&error);
                    self.pause(until, Self::is_done).await;
                }
            }
        }
        if !self.reporter.is_empty() {
            warn!(agent = %self.config.id, reports = self.reporter.len(), "ended before the store took every report");
        }
        Ok(())
    }

    fn request(&mut self) -> ClaimRequest {
        let (running, reports, slots) = (self.roster.running(), self.reporter.batch(), self.free_slots());
        let progress = running.iter().any(|task| task.progress.is_some());
        let busy = !self.roster.is_empty();
        let stopped = matches!(self.stop, Stop::Flushing(_));
        let wait = if progress || !reports.is_empty() || stopped || (busy && self.lease.wants_renewal()) {
            Duration::ZERO
        } else if busy {
            self.lease.busy_wait().min(self.config.poll_wait)
        } else {
            self.config.poll_wait
        };
        self.claim_open |= slots > 0;
        ClaimRequest {
            session: self.session,
            machine: self.config.machine.clone(),
            call: Some(self.calls.next()),
            claim_id: self.claim_id,
            slots,
            wait,
            only: None,
            running,
            reports,
        }
    }

    fn free_slots(&self) -> usize {
        let takes_work = matches!(self.stop, Stop::No) && self.engine.borrow().takes_work();
        if takes_work { self.config.slots.saturating_sub(self.roster.len()) } else { 0 }
    }

    /// Makes the call, taking in what happens here meanwhile. None when it was dropped for news.
    async fn call(&mut self, request: &ClaimRequest) -> Result<Option<ClaimAnswer>, StoreError> {
        let answers_within = match self.roster.is_empty() {
            true => self.config.call_timeout,
            false => self.config.call_timeout.min(self.lease.busy_patience()),
        };
        let (store, agent, patience) = (Arc::clone(&self.store), self.config.id.clone(), request.wait + answers_within);
        let mut answer = pin!(timeout(patience, store.claim(&agent, request.clone())));
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap_or_else(|_| Err(unanswered(patience))).map(Some),
                () = self.happening() => {
                    if self.is_done() || (waits(request) && self.is_outdated(request)) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether a call that says this should be repeated with what is to be said now.
    fn is_outdated(&self, request: &ClaimRequest) -> bool {
        !self.reporter.is_empty()
            || self.free_slots() != request.slots
            || self.roster.progress_due().is_some_and(|due| due <= Instant::now())
            || self.is_done()
    }

    /// Pauses until then, or until `enough`, taking in what happens here meanwhile.
    async fn pause(&mut self, until: Instant, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            tokio::select! {
                biased;
                () = sleep_until(until) => return,
                () = self.happening() => {}
            }
        }
    }

    fn pace(&self) -> Duration {
        if self.roster.is_empty() && self.free_slots() == 0 { IDLE_PACE } else { PACE }
    }

    /// Takes in an answer. Answers whether it said anything new.
    fn hear(&mut self, request: &ClaimRequest, answer: ClaimAnswer, sent: Instant) -> bool {
        if self.backoff.succeeded() {
            info!(agent = %self.config.id, "the store answers again");
        }
        self.complaint = None;
        self.lease.renew(sent, answer.lease, waits(request));
        self.lease_ending = false;
        self.claim_id = ClaimId::generate();
        self.claim_open = false;
        self.roster.told(&request.running);

        let mut news = self.reporter.settle(&answer.receipts);
        self.look.after(answer.attempts_ended);
        for claimed in answer.claims {
            news |= self.take(claimed);
        }
        for directive in &answer.directives {
            news |= self.obey(directive);
        }
        self.begin();
        news
    }

    fn take(&mut self, claimed: Claimed) -> bool {
        let (task, attempt) = (claimed.task.id(), claimed.attempt());
        if self.roster.has(task, attempt) || self.reporter.is_due(task, attempt) {
            return false;
        }
        // An answer that took longer than its lease gives nothing that may still be begun.
        if matches!(self.stop, Stop::No) && self.lease.is_live() {
            self.roster.take(claimed);
        } else {
            self.reporter.report(task, attempt, ReportedStatus::HandedBack);
        }
        true
    }

    fn begin(&mut self) {
        if self.lease.is_live() {
            self.roster.begin();
        }
    }

    fn obey(&mut self, directive: &Directive) -> bool {
        match *directive {
            Directive::Cancel { task, attempt, ref reason } => {
                if self.roster.order(task, attempt, Cause::Cancelled, Instant::now() + self.config.cancel_grace) {
                    info!(%task, %attempt, %reason, "cancel");
                    return true;
                }
                let begun = !self.roster.unpark(task, attempt) && self.roster.has(task, attempt);
                if begun || self.reporter.is_due(task, attempt) {
                    return false;
                }
                // Nothing of it has begun here, or it is forgotten: either way nobody else can acknowledge it.
                self.reporter.report(task, attempt, ReportedStatus::Cancelled(None));
                true
            }
            Directive::Lost { task, attempt } => self.lose(task, attempt),
        }
    }

    fn lose(&mut self, task: TaskId, attempt: Attempt) -> bool {
        let stopped = self.roster.order(task, attempt, Cause::Lost, Instant::now());
        let lost = stopped || self.roster.unpark(task, attempt);
        if lost {
            warn!(%task, %attempt, "the store gave this task away: its work stops");
        }
        lost
    }

    /// Waits for the next thing that happens on this side, and takes it in. Cancel safe.
    async fn happening(&mut self) {
        let lease_ends = (!self.roster.is_empty() && !self.lease_ending).then(|| self.lease.stop_at());
        let progress = self.roster.progress_due().filter(|due| *due > Instant::now());
        let news = self.roster.news();
        tokio::select! {
            biased;
            () = self.shutdown.cancelled(), if matches!(self.stop, Stop::No) => self.begin_stop(),
            ended = self.roster.ended() => self.finish(ended),
            () = at(lease_ends) => self.end_lease(),
            () = at(self.stop.until()) => self.continue_stop(),
            () = changed(&mut self.engine) => {}
            () = at(progress) => {}
            () = news.notified() => {}
        }
    }

    fn finish(&mut self, ended: Ended) {
        let Ended { task, attempt, status } = ended;
        if let Some(status) = status {
            info!(%task, %attempt, status = status_name(&status), "end");
            self.reporter.report(task, attempt, status);
        }
        if !self.reporter.is_due(task, attempt) {
            self.look.again();
        }
        self.begin();
        self.flush_when_idle();
    }

    fn end_lease(&mut self) {
        self.lease_ending = true;
        error!(agent = %self.config.id, tasks = self.roster.len(), "the lease ends: all work stops");
        for claimed in self.roster.unpark_all() {
            self.reporter.report(claimed.task.id(), claimed.attempt(), ReportedStatus::HandedBack);
        }
        self.roster.order_all(Cause::LeaseEnding, self.lease.drop_at());
        self.flush_when_idle();
    }

    fn begin_stop(&mut self) {
        info!(agent = %self.config.id, tasks = self.roster.len(), "stopping: no more work is taken");
        self.stop = Stop::Finishing(Instant::now() + self.config.stop_grace);
        for claimed in self.roster.unpark_all() {
            self.reporter.report(claimed.task.id(), claimed.attempt(), ReportedStatus::HandedBack);
        }
        self.flush_when_idle();
    }

    fn continue_stop(&mut self) {
        if matches!(self.stop, Stop::Finishing(_)) {
            info!(agent = %self.config.id, tasks = self.roster.len(), "handing back what has not finished");
            self.stop = Stop::HandingBack;
            self.roster.order_all(Cause::Stopping, Instant::now() + self.config.cancel_grace);
        }
    }

    fn flush_when_idle(&mut self) {
        if matches!(self.stop, Stop::Finishing(_) | Stop::HandingBack) && self.roster.is_empty() {
            self.stop = Stop::Flushing(Instant::now() + FLUSH);
        }
    }

    fn is_done(&self) -> bool {
        match self.stop {
            Stop::Flushing(until) => (self.reporter.is_empty() && !self.claim_open) || Instant::now() >= until,
            Stop::No | Stop::Finishing(_) | Stop::HandingBack => false,
        }
    }

    /// Says what is wrong, once for each kind, and answers until when to pause.
    fn complain(&mut self, problem: &StoreError) -> Instant {
        if self.complaint.replace(problem.kind()) != Some(problem.kind()) {
            let (agent, error) = (&self.config.id, problem as &dyn std::error::Error);
            if problem.kind() == StoreErrorKind::AgentInUse {
                warn!(%agent, error, "another machine serves this agent: waiting for it to end");
            } else {
                warn!(%agent, error, "the store does not answer as it should: trying again");
            }
        }
        let longest = if self.roster.is_empty() { backoff::LONGEST } else { self.lease.busy_pause() };
        Instant::now() + self.backoff.failed(longest)
    }
}

impl Stop {
    /// When the next phase begins by itself.
    fn until(self) -> Option<Instant> {
        match self {
            Self::Finishing(until) | Self::Flushing(until) => Some(until),
            Self::No | Self::HandingBack => None,
        }
    }
}

fn waits(request: &ClaimRequest) -> bool {
    !request.wait.is_zero()
}

fn status_name(status: &ReportedStatus) -> &'static str {
    match status {
        ReportedStatus::Running => "running",
        ReportedStatus::Completed(_) => "completed",
        ReportedStatus::Failed(_) => "failed",
        ReportedStatus::Cancelled(_) => "cancelled",
        ReportedStatus::HandedBack => "handed back",
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A side that is gone never changes again.
async fn changed(engine: &mut watch::Receiver<Engine>) {
    if engine.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
