//! What an agent says to a store and what it hears back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, ClaimId, SessionId, TaskId};
use crate::stack::{EngineInfo, Instance};
use crate::task::{CancelReason, Failure, Outcome, OverBound, Progress, Task, check_message, cut_message};

/// The most tasks that one claim may ask for.
pub const MAX_SLOTS: usize = 256;
/// The most reports, and the most running tasks, that one call may carry.
pub const MAX_REPORTS: usize = 1024;
/// The most instances that one inventory may carry.
pub const MAX_INSTANCES: usize = 10_000;
/// The most bytes that the name of a machine may have.
pub const MAX_MACHINE: usize = 255;
/// The longest that a claim may wait.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// The agent's one loop call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// This life of the agent process.
    pub session: SessionId,
    /// The machine it runs on. A new session takes over at once only on the machine of the old one.
    pub machine: String,
    /// Which loop call of its session this is: it grows with each one that is sent, repeated ones included. One that arrives
    /// after a later one is refused with [`StoreErrorKind::Conflict`](super::StoreErrorKind::Conflict) and changes nothing.
    /// None for an agent that does not count; then a call that was long on its way may take work that nobody hears of,
    /// until its deadline.
    pub call: Option<u64>,
    /// This request for work. Repeated, it is answered with the same tasks.
    pub claim_id: ClaimId,
    /// For how many tasks there is room, at most [`MAX_SLOTS`].
    pub slots: usize,
    /// How long to wait for work, at most [`MAX_WAIT`].
    pub wait: Duration,
    /// Claim this task and no other, if it is claimable now: for an agent that chooses from a list.
    pub only: Option<TaskId>,
    /// What the agent works on. A task that is listed has begun. One that is held and not listed stays held:
    /// the answer that gave it may have been lost.
    pub running: Vec<RunningTask>,
    /// What it has to report.
    pub reports: Vec<Report>,
}

/// A task that an agent works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningTask {
    /// The task.
    pub task: TaskId,
    /// Under which claim.
    pub attempt: Attempt,
    /// How far it is; none when there is no news since the last answer.
    pub progress: Option<Progress>,
}

/// The end of an attempt, or its beginning, as its agent saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The task.
    pub task: TaskId,
    /// Under which claim.
    pub attempt: Attempt,
    /// What became of it.
    pub status: ReportedStatus,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ReportedStatus {
    /// It began.
    Running,
    /// It ended as asked.
    Completed(Outcome),
    /// It failed. The store decides on a further attempt.
    Failed(Failure),
    /// It stopped because of a cancel; with what was undone or left.
    Cancelled(Option<String>),
    /// It is handed back unfinished, at no cost to the task: the agent is stopping.
    HandedBack,
}

impl ReportedStatus {
    /// The same status with everything in it within its bounds.
    #[must_use]
    pub fn cut(self) -> Self {
        match self {
            Self::Completed(outcome) => Self::Completed(outcome.cut()),
            Self::Failed(failure) => Self::Failed(failure.cut()),
            Self::Cancelled(undone) => Self::Cancelled(undone.map(cut_message)),
            Self::Running | Self::HandedBack => self,
        }
    }

    /// Checks the bounds that every store enforces.
    ///
    /// # Errors
    /// [`OverBound`] with its place below `path`.
    pub fn check(&self, path: &str) -> Result<(), OverBound> {
        match self {
            Self::Completed(outcome) => outcome.check(&format!("{path}.result")),
            Self::Failed(failure) => failure.check(&format!("{path}.error")),
            Self::Cancelled(Some(undone)) => check_message(&format!("{path}.undone"), undone),
            Self::Cancelled(None) | Self::Running | Self::HandedBack => Ok(()),
        }
    }
}

/// What a store made of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportReceipt {
    /// The task.
    pub task: TaskId,
    /// Under which claim.
    pub attempt: Attempt,
    /// What was made of it.
    pub answer: ReportAnswer,
}

/// Whether a report counted. Each of these ends the agent's duty to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportAnswer {
    /// It counted, now or when it came before.
    Accepted,
    /// The attempt is over, otherwise than reported: nothing changed.
    StaleAttempt,
    /// There is no such task, or it is another agent's.
    UnknownTask,
}

/// What a store answers to the loop call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClaimAnswer {
    /// How long the session lives from the moment the request was sent, unless it is renewed: after a wait, the
    /// time waited and a full lease. A duration: the agent's clock need not agree with the server's.
    pub lease: Duration,
    /// Work: begin it.
    pub claims: Vec<Claimed>,
    /// Orders about what the agent works on.
    pub directives: Vec<Directive>,
    /// What became of each report.
    pub receipts: Vec<ReportReceipt>,
    /// How many attempts on this host have ended, as the store knows. An inventory says the number that was
    /// known when the agent began to look.
    pub attempts_ended: u64,
}

/// A task given to an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// The task; its state carries the lease with the attempt number.
    pub task: Task,
    /// How long the attempt may take from now on.
    pub deadline: Duration,
}

impl Claimed {
    /// The number that every write about this claim carries.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.task.attempt
    }
}

/// An order to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "directive", rename_all = "snake_case")]
pub enum Directive {
    /// Stop working on it, undo what can be undone, report `Cancelled` or what really came of it.
    Cancel {
        /// The task.
        task: TaskId,
        /// Under which claim.
        attempt: Attempt,
        /// Why.
        reason: CancelReason,
    },
    /// It is not yours any more: stop at once, report nothing.
    Lost {
        /// The task.
        task: TaskId,
        /// Under which claim.
        attempt: Attempt,
    },
}

/// What a host observed on its engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryReport {
    /// This life of the agent process.
    pub session: SessionId,
    /// The machine it runs on.
    pub machine: String,
    /// Grows with each report of the session; an older one is dropped.
    pub seq: u64,
    /// The last [`ClaimAnswer::attempts_ended`] that the agent had heard when it began to look.
    pub attempts_ended: u64,
    /// The engine, where it answers.
    pub engine: Option<EngineInfo>,
    /// Every instance with this installation's and this host's labels. Always the whole list. While the engine does
    /// not answer it says nothing, and the store keeps what it knows.
    pub instances: Vec<Instance>,
}

impl ClaimRequest {
    /// A first call of a session: no work wanted, nothing to say, only "I am here".
    #[must_use]
    pub fn hello(session: SessionId, machine: impl Into<String>) -> Self {
        Self {
            session,
            machine: machine.into(),
            call: None,
            claim_id: ClaimId::generate(),
            slots: 0,
            wait: Duration::ZERO,
            only: None,
            running: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// The same session asking for work.
    #[must_use]
    pub fn asking(mut self, slots: usize, wait: Duration) -> Self {
        self.slots = slots;
        self.wait = wait;
        self
    }

    /// The same call with its number.
    #[must_use]
    pub fn numbered(mut self, call: u64) -> Self {
        self.call = Some(call);
        self
    }

    /// Checks the limits that every store enforces.
    ///
    /// # Errors
    /// [`OverBound`] naming the field and its limit.
    pub fn validate(&self) -> Result<(), OverBound> {
        check_machine(&self.machine)?;
        if self.slots > MAX_SLOTS {
            let rule = format!("{} tasks are too many at once: at most {MAX_SLOTS}", self.slots);
            return Err(OverBound { path: "slots".into(), rule });
        }
        if self.wait > MAX_WAIT {
            let rule = format!("{:?} is too long to wait: at most {MAX_WAIT:?}", self.wait);
            return Err(OverBound { path: "waitSeconds".into(), rule });
        }
        for (path, count) in [("reports", self.reports.len()), ("running", self.running.len())] {
            if count > MAX_REPORTS {
                let rule = format!("{count} are too many at once: at most {MAX_REPORTS}");
                return Err(OverBound { path: path.into(), rule });
            }
        }
        let reports = self.reports.iter().enumerate();
        let reports = reports.map(|(index, report)| report.status.check(&format!("reports[{index}]")));
        let progress =
            self.running.iter().enumerate().filter_map(|(index, task)| Some((index, task.progress.as_ref()?)));
        let progress = progress.map(|(index, progress)| progress.check(&format!("running[{index}].progress")));
        reports.chain(progress).collect()
    }
}

impl InventoryReport {
    /// Checks the limits that every store enforces.
    ///
    /// # Errors
    /// [`OverBound`] naming the field and its limit.
    pub fn validate(&self) -> Result<(), OverBound> {
        check_machine(&self.machine)?;
        if self.instances.len() > MAX_INSTANCES {
            let rule = format!("{} are too many at once: at most {MAX_INSTANCES}", self.instances.len());
            return Err(OverBound { path: "instances".into(), rule });
        }
        Ok(())
    }
}

fn check_machine(machine: &str) -> Result<(), OverBound> {
    if machine.is_empty() || machine.len() > MAX_MACHINE {
        let rule = format!("the name of a machine has 1 to {MAX_MACHINE} bytes");
        return Err(OverBound { path: "machine".into(), rule });
    }
    Ok(())
}
