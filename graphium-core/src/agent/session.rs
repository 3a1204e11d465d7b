//! The first call of a life: it begins the session, and takes over from an earlier life on the same machine.

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::backoff::{self, Backoff};
use super::lease::Lease;
use super::{AgentConfig, AgentError};
use crate::id::SessionId;
use crate::store::{AgentStore, ClaimAnswer, ClaimRequest, StoreError, StoreErrorKind};

/// A session that the store knows.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) lease: Lease,
    pub(super) calls: Calls,
    /// How many attempts on this host have ended.
    pub(super) attempts_ended: u64,
}

/// Numbers the loop calls of a session, so that the store can tell one that was long on its way.
#[derive(Debug, Default)]
pub(super) struct Calls(u64);

impl Calls {
    /// The number of the next call that is sent.
    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Begins the session, however long that takes; none when `shutdown` came first.
///
/// The call asks for no work: what the engine has is reported before anything is taken.
pub(super) async fn begin(
    config: &AgentConfig,
    store: &dyn AgentStore,
    session: SessionId,
    shutdown: &CancellationToken,
) -> Result<Option<Begun>, AgentError> {
    let mut backoff = Backoff::new(config.seed);
    let mut said = None;
    let mut calls = Calls::default();
    loop {
        let sent = Instant::now();
        let answer = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            answer = hello(config, store, session, calls.next()) => answer,
        };
        let error = match answer {
            Ok(answer) => {
                info!(agent = %config.id, %session, lease = ?answer.lease, "the store knows this agent");
                let lease = Lease::begun(sent, answer.lease);
                return Ok(Some(Begun { lease, calls, attempts_ended: answer.attempts_ended }));
            }
            Err(error) => error,
        };
        if error.kind() == StoreErrorKind::SessionEnded {
            return Err(AgentError::TakenOver { agent: config.id.clone() });
        }
        if is_for_good(error.kind()) {
            return Err(AgentError::Refused { agent: config.id.clone(), source: error });
        }
        if said.replace(error.kind()) != Some(error.kind()) {
            warn!(agent = %config.id, error = &error as &dyn std::error::Error, "no session yet: trying again");
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            () = sleep(backoff.failed(backoff::LONGEST)) => {}
        }
    }
}

/// Whether waiting does not help: a person has to change something.
fn is_for_good(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Invalid | StoreErrorKind::Unauthorized | StoreErrorKind::Forbidden)
}

async fn hello(
    config: &AgentConfig,
    store: &dyn AgentStore,
    session: SessionId,
    number: u64,
) -> Result<ClaimAnswer, StoreError> {
    let call = store.claim(&config.id, ClaimRequest::hello(session, config.machine.clone()).numbered(number));
    timeout(config.call_timeout, call).await.unwrap_or_else(|_| Err(unanswered(config.call_timeout)))
}

/// A call that took too long counts as one that found no store.
pub(super) fn unanswered(patience: std::time::Duration) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("the store did not answer within {patience:?}"))
}
