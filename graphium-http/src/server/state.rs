//! What every handler has at hand.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use graphium_core::control::Control;
use graphium_core::id::AgentId;
use graphium_core::store::TaskStore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::limits::{MAX_STREAMS, MAX_WAITING_POLLS, MAX_WAITING_POLLS_PER_AGENT};
use super::problem::ApiError;
use crate::wire::ProblemCode;

/// The state of the router: cheap to clone, as every part of a call does.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn TaskStore>,
    pub(crate) control: Control,
    pub(crate) access: Access,
    pub(crate) polls: Polls,
    pub(crate) streams: Streams,
    /// Cancelled when the server begins to stop: whatever waits answers at once.
    pub(crate) stopping: CancellationToken,
    /// What goes on after its request was answered: WebSockets.
    pub(crate) tracker: TaskTracker,
}

impl From<Shared> for AppState {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Bounds the claims that wait.
#[derive(Debug, Clone)]
pub(crate) struct Polls {
    all: Arc<Semaphore>,
    per_agent: Arc<Mutex<HashMap<AgentId, Waiting>>>,
}

/// The calls of one agent that wait.
#[derive(Debug, Default)]
struct Waiting {
    number: usize,
    revoked: CancellationToken,
}

/// The right of one claim to wait.
#[derive(Debug)]
pub(crate) struct PollPermit {
    _all: OwnedSemaphorePermit,
    agent: AgentId,
    revoked: CancellationToken,
    per_agent: Arc<Mutex<HashMap<AgentId, Waiting>>>,
}

impl PollPermit {
    /// Answers when the right is lost.
    pub(crate) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }
}

impl Default for Polls {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_WAITING_POLLS)), per_agent: Arc::default() }
    }
}

impl Polls {
    /// The right to wait, unless too many do.
    pub(crate) fn admit(&self, agent: &AgentId) -> Result<PollPermit, ApiError> {
        let full = |_| ApiError::new(ProblemCode::Unavailable, "too many agents wait for work here: try again");
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(full)?;
        let mut per_agent = self.per_agent.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = per_agent.entry(agent.clone()).or_default();
        if waiting.number >= MAX_WAITING_POLLS_PER_AGENT {
            let detail = format!("{} calls of agent {agent} wait already: let one end first", waiting.number);
            return Err(ApiError::new(ProblemCode::TooManyRequests, detail));
        }
        waiting.number += 1;
        let revoked = waiting.revoked.clone();
        Ok(PollPermit { _all: all, agent: agent.clone(), revoked, per_agent: Arc::clone(&self.per_agent) })
    }

    /// Ends the calls of an agent that wait now, not those to come.
    pub(crate) fn revoke(&self, agent: &AgentId) {
        let mut per_agent = self.per_agent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = per_agent.get_mut(agent) {
            std::mem::take(&mut waiting.revoked).cancel();
        }
    }
}

impl Drop for PollPermit {
    fn drop(&mut self) {
        let mut per_agent = self.per_agent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = per_agent.get_mut(&self.agent) {
            waiting.number -= 1;
            if waiting.number == 0 {
                per_agent.remove(&self.agent);
            }
        }
    }
}

/// Bounds the event streams that are open.
#[derive(Debug, Clone)]
pub(crate) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

impl Streams {
    /// The right to one more stream.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| ApiError::new(ProblemCode::Unavailable, "too many event streams are open here: try again");
        Arc::clone(&self.0).try_acquire_owned().map_err(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_may_not_hold_every_waiting_place() {
        let (polls, agent) = (Polls::default(), AgentId::new("vm1").unwrap());
        let mut held: Vec<_> = (0..MAX_WAITING_POLLS_PER_AGENT).map(|_| polls.admit(&agent).unwrap()).collect();
        assert_eq!(polls.admit(&agent).unwrap_err().code(), ProblemCode::TooManyRequests);
        assert!(polls.admit(&AgentId::new("vm2").unwrap()).is_ok());

        held.pop();
        assert!(polls.admit(&agent).is_ok());
    }

    #[test]
    fn streams_over_the_limit_are_refused_until_one_ends() {
        let streams = Streams::default();
        let mut held: Vec<_> = (0..MAX_STREAMS).map(|_| streams.admit().unwrap()).collect();
        assert_eq!(streams.admit().unwrap_err().code(), ProblemCode::Unavailable);

        held.pop();
        assert!(streams.admit().is_ok());
    }
}
