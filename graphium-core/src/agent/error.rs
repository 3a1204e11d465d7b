//! Why an agent ends.

use crate::id::AgentId;
use crate::store::StoreError;

/// What ends an agent that nobody asked to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Another process took over: this one has stopped all its work.
    #[error("another process took over agent {agent}; run one agent per id")]
    TakenOver {
        /// The agent.
        agent: AgentId,
    },
    /// The store refused the first call for a reason that waiting does not change.
    #[error("the store refuses agent {agent}")]
    Refused {
        /// The agent.
        agent: AgentId,
        /// What the store says.
        source: StoreError,
    },
}
