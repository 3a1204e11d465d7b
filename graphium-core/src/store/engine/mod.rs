//! The queue as a machine: every rule of the store, without any I/O.
//!
//! The engine holds what is not settled in memory and applies one command at a time, at a given instant. A command is
//! checked whole before anything changes, so a refused one changes nothing. What a command changed is gathered in
//! [`Changes`]; a store writes these and only then answers. This module must not await, read a clock or know
//! where things are kept.
//!
//! Settled tasks, ended attempts, idempotency keys and records may be absent from memory: a store loads the ones that
//! a command [needs](Needs) before applying it.

mod admission;
mod attempt;
#[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "a store in memory is never away"))]
mod away;
mod cancel;
mod changes;
mod claim;
#[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "a store in memory reads nothing back"))]
mod condemn;
mod counters;
mod dependencies;
mod ended;
mod entry;
#[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "a store in memory has no backup"))]
mod epoch;
mod generations;
mod inventory;
mod lanes;
#[cfg(feature = "sql")]
mod load;
#[cfg(feature = "sql")]
mod needs;
mod prune;
mod queues;
mod records;
mod report;
mod retry;
mod settle;
mod submission_check;
mod submit;
mod sweep;
mod transition;

pub(super) use attempt::AttemptEntry;
pub(super) use changes::Changes;
pub(super) use claim::{ClaimStep, Waiter};
pub(super) use counters::Counters;
pub(super) use ended::EndedSessions;
pub use ended::MAX_ENDED_SESSIONS;
pub(super) use entry::Entry;
pub(super) use epoch::Epoch;
pub(super) use generations::Life;
#[cfg(feature = "sql")]
pub(super) use load::{Loaded, Snapshot};
#[cfg(feature = "sql")]
pub(super) use needs::Needs;
#[cfg(feature = "sql")]
pub(super) use prune::{Cutoffs, Due};
pub(super) use prune::{Gone, Mark};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use self::away::Away;
use self::claim::Order;
use self::lanes::Lanes;
use self::queues::Queues;
use super::{Host, Record, RecordKey, StoreError, StoreErrorKind, StoreSettings};
use crate::clock::Timestamp;
use crate::id::{AgentId, Attempt, Seq, StackName, TaskId};
use crate::task::{IdempotencyKey, Task};

/// How often it is kept which hosts were seen. In between, only memory knows: after an abrupt end every session gets a
/// lease of grace.
const PRESENCE: Duration = Duration::from_secs(10);
/// Who the log names for what time or a rule decided.
const SERVER: &str = "server";

/// The queue: see the module page.
#[derive(Debug)]
pub(super) struct Engine {
    settings: StoreSettings,
    /// Makes the jitter of backoffs reproducible.
    seed: u64,
    /// The greatest instant seen.
    now: Timestamp,
    /// The newest instant that was kept when the queue was read back.
    kept_at: Timestamp,
    away: Away,
    head: Seq,
    last_number: u64,
    tasks: HashMap<TaskId, Entry>,
    /// The greatest id of a task that is kept elsewhere and not in memory. Ids grow with time, so that a new one is
    /// usually greater, and then known to be new without asking.
    #[cfg(feature = "sql")]
    greatest_elsewhere: Option<TaskId>,
    /// From a task to those that depend on it.
    dependants: HashMap<TaskId, BTreeSet<TaskId>>,
    attempts: BTreeMap<(TaskId, Attempt), AttemptEntry>,
    keys: HashMap<IdempotencyKey, TaskId>,
    records: BTreeMap<RecordKey, Record>,
    queues: Queues,
    lanes: Lanes,
    /// The unsettled tasks of each stack.
    stacks: HashMap<StackName, BTreeSet<TaskId>>,
    lives: BTreeMap<StackName, Life>,
    hosts: BTreeMap<AgentId, Host>,
    ended: EndedSessions,
    /// Which directives each agent's session has been given.
    told: HashMap<AgentId, BTreeSet<Order>>,
    counters: Counters,
    epoch: Epoch,
    /// The task up to which attempts are pruned, in the order in which tasks settled.
    attempts_mark: Mark,
    /// What a store has found that may be pruned.
    #[cfg(feature = "sql")]
    due: Option<Due>,
    /// Tasks that failed or were cancelled and whose dependants have not been told yet.
    fallen: Vec<TaskId>,
    /// Agents whose waiting claims may have something to hear.
    woken: BTreeSet<AgentId>,
    changes: Changes,
    /// Hosts of which no more has changed than when they were last seen, and how long they may stay silent.
    presence: BTreeSet<AgentId>,
    presence_kept_at: Timestamp,
}

impl Engine {
    /// An empty queue.
    pub(super) fn new(settings: StoreSettings, seed: u64) -> Self {
        Self {
            settings,
            seed,
            now: Timestamp::EPOCH,
            kept_at: Timestamp::EPOCH,
            away: Away::default(),
            head: Seq(0),
            last_number: 0,
            tasks: HashMap::new(),
            #[cfg(feature = "sql")]
            greatest_elsewhere: None,
            dependants: HashMap::new(),
            attempts: BTreeMap::new(),
            keys: HashMap::new(),
            records: BTreeMap::new(),
            queues: Queues::default(),
            lanes: Lanes::default(),
            stacks: HashMap::new(),
            lives: BTreeMap::new(),
            hosts: BTreeMap::new(),
            ended: EndedSessions::default(),
            told: HashMap::new(),
            counters: Counters::default(),
            epoch: Epoch::default(),
            attempts_mark: Mark::default(),
            #[cfg(feature = "sql")]
            due: None,
            fallen: Vec::new(),
            woken: BTreeSet::new(),
            changes: Changes::default(),
            presence: BTreeSet::new(),
            presence_kept_at: Timestamp::EPOCH,
        }
    }

    /// Moves the engine to this instant, never backwards, and makes claimable what was waiting for it.
    pub(super) fn advance(&mut self, clock: Timestamp) {
        self.now = self.now.max(clock);
        while let Some(id) = self.queues.due(self.now) {
            self.refresh(id);
        }
    }

    /// The next instant at which a waiting task becomes claimable by itself.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.queues.next_timer()
    }

    /// The agents whose waiting claims should be offered work again; asking forgets them.
    pub(super) fn take_woken(&mut self) -> BTreeSet<AgentId> {
        std::mem::take(&mut self.woken)
    }

    /// What has changed since the last time of asking. That a host was seen is among it only every [`PRESENCE`].
    pub(super) fn take_changes(&mut self) -> Changes {
        if self.now.since(self.presence_kept_at) >= PRESENCE {
            self.keep_presence();
        }
        std::mem::take(&mut self.changes)
    }

    /// Counts among the changes which hosts were seen lately.
    pub(super) fn keep_presence(&mut self) {
        self.presence_kept_at = self.now;
        self.changes.hosts.append(&mut self.presence);
    }

    /// The number of the newest event.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// The newest task, by its place in the order of submission.
    #[cfg(feature = "sql")]
    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// A task in memory, with what the queue knows of it.
    pub(super) fn entry(&self, id: TaskId) -> Option<&Entry> {
        self.tasks.get(&id)
    }

    /// Every task in memory.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.tasks.values()
    }

    /// The attempts of a task that are in memory, in order.
    pub(super) fn attempts_of(&self, id: TaskId) -> impl Iterator<Item = &AttemptEntry> {
        self.attempts.range((id, Attempt(0))..=(id, Attempt(u64::MAX))).map(|(_, entry)| entry)
    }

    /// One attempt, if it is in memory.
    #[cfg(feature = "sql")]
    pub(super) fn attempt(&self, id: TaskId, attempt: Attempt) -> Option<&AttemptEntry> {
        self.attempts.get(&(id, attempt))
    }

    /// Every host, by id.
    pub(super) fn hosts(&self) -> &BTreeMap<AgentId, Host> {
        &self.hosts
    }

    /// The greatest instant seen.
    #[cfg(feature = "sql")]
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The present life of a stack.
    #[cfg(feature = "sql")]
    pub(super) fn life(&self, stack: &StackName) -> Option<Life> {
        self.lives.get(stack).copied()
    }

    /// The sessions that are over.
    #[cfg(feature = "sql")]
    pub(super) fn ended(&self) -> &EndedSessions {
        &self.ended
    }

    /// The records in memory, by key.
    pub(super) fn records(&self) -> &BTreeMap<RecordKey, Record> {
        &self.records
    }

    /// The counters behind the statistics.
    #[cfg(feature = "sql")]
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn known(&self, id: TaskId) -> Result<&Task, StoreError> {
        self.tasks.get(&id).map(|entry| &entry.task).ok_or_else(|| not_found(id))
    }
}

/// The error for a task that is not there.
pub(super) fn not_found(id: TaskId) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("there is no task {id}"))
}
