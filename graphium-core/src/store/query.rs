//! Questions to a store, and pages of answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::{Event, EventType};
use crate::id::{AgentId, Attempt, ContainerName, SessionId, StackName, TaskId};
use crate::task::{TaskStatus, TaskType};

/// How many entries a page has when nothing is said.
pub const DEFAULT_PAGE: usize = 100;
/// How many entries a page may have.
pub const MAX_PAGE: usize = 1000;

/// A place in a list: opaque to callers, given by one page to fetch the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many entries, from 1 to [`MAX_PAGE`].
    pub limit: usize,
    /// Where the page before ended; none for the first.
    pub after: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_PAGE, after: None }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page begins; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with each entry turned into another form.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

/// Which tasks. Every field that is set narrows the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// One of these tasks, at most [`MAX_PAGE`] of them; any when empty. They are looked up one by one, so the rest of
    /// history costs nothing. An id of no task is left out.
    pub ids: BTreeSet<TaskId>,
    /// One of these statuses; any when empty.
    pub statuses: Vec<TaskStatus>,
    /// Of this type.
    pub task_type: Option<TaskType>,
    /// Of this stack.
    pub stack: Option<StackName>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of this container spec.
    pub container: Option<ContainerName>,
    /// Created at or after.
    pub since: Option<Timestamp>,
    /// In claim order instead of newest first. Then pages hold only unsettled tasks.
    pub claim_order: bool,
}

/// Which events. Every field that is set narrows the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// One of these types; any when empty.
    pub kinds: Vec<EventType>,
    /// About this task.
    pub task: Option<TaskId>,
    /// About this stack.
    pub stack: Option<StackName>,
    /// About any stack.
    pub of_stacks: bool,
    /// About this host.
    pub agent: Option<AgentId>,
}

impl EventFilter {
    /// Whether the event passes.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.task.is_none() || self.task == event.task_id)
            && (self.stack.is_none() || self.stack == event.stack_id)
            && (!self.of_stacks || event.stack_id.is_some())
            && (self.agent.is_none() || self.agent == event.agent_id)
    }
}

/// One attempt of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// Its number.
    pub attempt: Attempt,
    /// Who had it.
    pub session: SessionId,
    /// When it was given.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub assigned_at: Timestamp,
    /// When the agent began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub ended_at: Option<Timestamp>,
    /// How it ended: `completed`, `failed`, `cancelled`, `handed_back`, `lost`, `timeout`; `unreadable` where
    /// what was kept of it cannot be read back. None while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The whole life of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskHistory {
    /// Every attempt, in order.
    pub attempts: Vec<AttemptRecord>,
    /// Its events, in order: the newest [`MAX_PAGE`] of them.
    pub events: Vec<Event>,
}

/// How long something took: percentiles over the latest 1024 times since the store was opened. They begin anew with it, and
/// are zero until something has been measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WaitPercentiles {
    /// Half were faster, in milliseconds.
    pub p50_ms: u64,
    /// 95 of 100 were faster, in milliseconds.
    pub p95_ms: u64,
    /// 99 of 100 were faster, in milliseconds.
    pub p99_ms: u64,
}

/// The queue in numbers. Kept as counters: asking does not read history. They count the tasks that are kept, so they agree
/// with the lists: what was pruned is in none of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskStats {
    /// How many tasks have each status.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, u64>))]
    pub by_status: BTreeMap<TaskStatus, u64>,
    /// How many tasks there are of each type.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, u64>))]
    pub by_type: BTreeMap<TaskType, u64>,
    /// The age of the oldest claimable task, in milliseconds.
    pub oldest_claimable_ms: Option<u64>,
    /// From claimable to claimed, over the latest claims since the store was opened.
    pub wait: WaitPercentiles,
    /// From claimed to reported, over the latest reports since the store was opened.
    pub run: WaitPercentiles,
}

impl WaitPercentiles {
    /// The percentiles of these samples, by the nearest-rank method; zero without any.
    #[must_use]
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let rank = |percent: usize| {
            let index = (samples.len() * percent).div_ceil(100).saturating_sub(1);
            samples.get(index).map_or(0, |sample| u64::try_from(sample.as_millis()).unwrap_or(u64::MAX))
        };
        Self { p50_ms: rank(50), p95_ms: rank(95), p99_ms: rank(99) }
    }
}
