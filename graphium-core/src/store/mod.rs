//! Where tasks wait and what happened is kept.
//!
//! [`TaskStore`] is the whole contract; [`AgentStore`] is the part that an agent needs, which the HTTP client
//! implements too, so that agent code cannot tell which it talks to. This module must not know
//! containers: it moves tasks, events and records.

mod call;
mod engine;
mod error;
mod host;
mod memory;
mod page;
pub mod paging;
mod query;
mod record;
mod reply;
mod restored;
mod retention;
#[cfg(feature = "sql")]
mod sql;
mod steady;
mod submission;
mod waiting;

pub use crate::stack::HostState;
pub use call::{
    ClaimAnswer, ClaimRequest, Claimed, Directive, InventoryReport, MAX_INSTANCES, MAX_MACHINE, MAX_REPORTS, MAX_SLOTS,
    MAX_WAIT, Report, ReportAnswer, ReportReceipt, ReportedStatus, RunningTask,
};
pub use engine::MAX_ENDED_SESSIONS;
pub use error::{StoreError, StoreErrorKind};
pub use host::Host;
pub use memory::MemoryStore;
pub use query::{
    AttemptRecord, Cursor, DEFAULT_PAGE, EventFilter, MAX_PAGE, Page, PageRequest, TaskFilter, TaskHistory, TaskStats,
    WaitPercentiles,
};
pub use record::{Expected, MAX_RECORD_NAME, Record, RecordKey, RecordKind, RecordWrite};
pub use restored::{RESTORE_STRIDE, Restored, StoreStatus};
pub use retention::{PRUNE_BATCH, Pruned, Retention};
#[cfg(feature = "postgres")]
pub use sql::{PostgresSettings, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sql::{SqliteStore, StoreFinding};
pub use submission::{MAX_GENERATION, MAX_RECORDS_PER_SUBMISSION, MAX_TASKS_PER_SUBMISSION, Submission, Submitted};

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::event::Event;
use crate::id::{AgentId, Seq, TaskId};
use crate::task::Task;

/// How a store treats time, and what it keeps. The same for every backend; set once when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long an agent's session lives after its last call: the lease of everything it works on.
    pub lease: Duration,
    /// How long after the end of its session a host is `unknown` before it is `down`.
    pub down_after: Duration,
    /// How long after the deadline of an attempt the server settles it by itself. The agent, which stops at the
    /// deadline, gets this long to report.
    pub deadline_grace: Duration,
    /// How long what is over is kept.
    pub retention: Retention,
}

impl Default for StoreSettings {
    /// 30 s lease, down after 60 s more, 10 s of grace, and the default [`Retention`].
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            down_after: Duration::from_secs(60),
            deadline_grace: Duration::from_secs(10),
            retention: Retention::default(),
        }
    }
}

/// The agent's side of a store: claim and renew, report, inventory.
///
/// # Contract
/// - A task is given to one session at a time, and each time under a greater attempt number.
/// - Every write names session and attempt; a stale one changes nothing and says so.
/// - The first call of a session that the store does not know begins it. It takes over from an earlier session of
///   the same agent on the same machine at once: that session's tasks are lost to it and get their next attempt. While
///   a session of another machine lives, the call is refused with [`StoreErrorKind::AgentInUse`]. A session that was
///   taken over from is over for good: its calls are refused with [`StoreErrorKind::SessionEnded`]. A store remembers
///   the newest [`MAX_ENDED_SESSIONS`] of each agent.
/// - Of the loop calls of a session, one with a lower number than the newest is refused with
///   [`StoreErrorKind::Conflict`] and changes nothing: it was long on its way and nobody hears its answer.
/// - Each call renews the session. It does not end while a call of it waits: the lease counts from the answer then.
///
/// # Implementing
/// Each call is atomic. A repeated call has the effect of one: the same claim id answers with the same tasks as
/// long as they are held under it, the same report is accepted again.
///
/// # Cancel safety
/// A dropped call has happened or has not; asking again with the same claim id tells. A waiting claim that is
/// dropped takes no task with it, or takes it under its claim id.
#[async_trait]
pub trait AgentStore: std::fmt::Debug + Send + Sync {
    /// The agent's one loop call: renews its session, takes reports, and answers with work, waiting for
    /// some when there is none and nothing else to say.
    ///
    /// Renewals and reports apply at once; then the call answers as soon as it has claims or directives, or
    /// when `wait` is over, or at once when `slots` is 0.
    ///
    /// # Errors
    /// [`StoreErrorKind::AgentInUse`], [`StoreErrorKind::SessionEnded`], [`StoreErrorKind::Invalid`] over a
    /// limit, [`StoreErrorKind::Unavailable`]. A refused report is no error: its receipt says so.
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError>;

    /// Takes what hosts observed. Older than what is known by `(session, seq)` is dropped without an error.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError>;
}

/// A durable queue of tasks with its event log and its records.
///
/// # Contract
/// - What is acknowledged is kept, whatever crashes.
/// - A submission happens whole or not at all: tasks, records and events together.
/// - Every change of a task goes through [`TaskState::apply`](crate::task::TaskState::apply) and appends its event in
///   the same transaction.
/// - Event numbers are dense and readers see them in order, without a gap.
/// - The cost of a claim does not grow with finished history.
///
/// # Implementing
/// Prove a store of your own with the `conformance` module (feature `conformance`). Time inside a store begins at its
/// clock's wall, never runs backwards, and passes as the clock's monotonic reading does: a wall clock that jumps ends no
/// lease early and freezes nothing.
///
/// # Cancel safety
/// A dropped call has happened or has not; none leaves a transaction open.
#[async_trait]
pub trait TaskStore: AgentStore {
    /// Commits tasks, records and events together.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] for a limit, an unknown dependency or a cycle; [`StoreErrorKind::Conflict`] for a record
    /// that is not as expected or an idempotency key with another body; [`StoreErrorKind::Superseded`] for a
    /// generation below one already submitted. Nothing has changed then.
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError>;

    /// One task.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`].
    async fn task(&self, id: TaskId) -> Result<Task, StoreError>;

    /// A page of tasks, newest first, or with [`TaskFilter::claim_order`] the unsettled ones in claim order.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] for a page or a filter over its limit or a cursor that is none of ours.
    async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError>;

    /// Every attempt of a task, and its events.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`].
    async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError>;

    /// Cancels a task: at once when nobody works on it, else by telling its agent.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`]; [`StoreErrorKind::Conflict`] when it is settled.
    async fn cancel(&self, id: TaskId, by: &str) -> Result<Task, StoreError>;

    /// Tries a failed or cancelled task again, with a fresh retry budget, and brings back the dependants that
    /// its failure cancelled.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`]; [`StoreErrorKind::Conflict`] when it is not failed or cancelled;
    /// [`StoreErrorKind::Superseded`] when a newer generation of its stack exists.
    async fn retry(&self, id: TaskId, by: &str) -> Result<Task, StoreError>;

    /// One record, if there is one.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError>;

    /// A page of the records of a kind whose names begin with `prefix`, by name.
    ///
    /// # Errors
    /// As [`tasks`](Self::tasks).
    async fn records(&self, kind: RecordKind, prefix: &str, page: PageRequest) -> Result<Page<Record>, StoreError>;

    /// Events after `after`, oldest first, at most `limit`; empty when there are none yet.
    ///
    /// The last number examined is returned too, so that a reader with a narrow filter moves on. A reader that has seen
    /// none yet asks after 0 and begins with the oldest event that is kept. For any other number the answer follows on
    /// without a gap, or the call is refused: a reader is never made to skip what it has not seen.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] for a limit over [`MAX_PAGE`]; [`StoreErrorKind::Gone`] when events right after `after`
    /// were pruned, or it is a number that this log has not come to.
    async fn events(&self, after: Seq, filter: EventFilter, limit: usize) -> Result<(Vec<Event>, Seq), StoreError>;

    /// The number of the newest event, as a wake-up hint: whoever waits for events waits for it to change,
    /// and reads anyway from time to time.
    fn head(&self) -> watch::Receiver<Seq>;

    /// Every host that was ever seen and not removed, by id.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn hosts(&self) -> Result<Vec<Host>, StoreError>;

    /// Counts by status and type, queue age, and how long tasks wait and run.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn stats(&self) -> Result<TaskStats, StoreError>;

    /// Settles what time has decided: sessions that ended, deadlines that passed, hosts that went silent.
    /// Answers with the number of tasks it touched. Idempotent, and safe beside any other call.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn sweep(&self) -> Result<usize, StoreError>;

    /// Removes history that is older than the [`Retention`] of the store, at most [`PRUNE_BATCH`] of it, in one commit.
    /// Whoever asks goes on while there is [`more`](Pruned::more). Idempotent, and safe beside any other call.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn prune(&self) -> Result<Pruned, StoreError>;

    /// How often the store was restored from a backup, and whether it is held: since its last restore nobody has
    /// confirmed that it may go on.
    ///
    /// A held store gives out no work and takes none: claims are answered without tasks, submissions with tasks and retries
    /// are refused with [`StoreErrorKind::Held`]. Agents still speak for their hosts and report what they see.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn status(&self) -> Result<StoreStatus, StoreError>;

    /// Lets a held store go on, and cancels what of its stacks was not settled in the backup. Idempotent.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`].
    async fn confirm_restore(&self, by: &str) -> Result<StoreStatus, StoreError>;
}
