//! What a store knows of a host: only what its agent said, and when.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{AgentId, SessionId};
use crate::stack::{EngineInfo, HostState, Instance};

/// A host, as its agent reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The agent that serves it.
    pub id: AgentId,
    /// Whether it answers.
    pub state: HostState,
    /// The current or last session of its agent.
    pub session: SessionId,
    /// The machine that session runs on.
    pub machine: String,
    /// When the agent was last heard of.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub last_seen_at: Timestamp,
    /// When the session ends unless it is renewed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub lease_expires_at: Timestamp,
    /// Its engine, as last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineInfo>,
    /// Its instances, as last reported.
    pub instances: Vec<Instance>,
    /// When they were reported; none before the first inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub observed_at: Option<Timestamp>,
    /// How many attempts of tasks on this host have ended, however they ended.
    #[serde(default)]
    pub attempts_ended: u64,
    /// Of how many of them the agent knew when it last began to look at its engine.
    #[serde(default)]
    pub attempts_seen: u64,
    /// The number of that report within its session.
    pub inventory_seq: u64,
    /// The session that sent it. An inventory of an earlier life is worth less than one of this life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_session: Option<SessionId>,
    /// The number of the newest loop call of the current session; 0 while its calls have none.
    #[serde(default)]
    pub last_call: u64,
}

impl Host {
    /// A host of which only the id is known: as if it had been silent for ever, so that whoever speaks for it next takes
    /// over, and what is held on it is lost by the rules for silent hosts.
    pub(in crate::store) fn silent(id: AgentId) -> Self {
        Self {
            id,
            state: HostState::Unknown,
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            machine: String::new(),
            last_seen_at: Timestamp::EPOCH,
            lease_expires_at: Timestamp::EPOCH,
            engine: None,
            instances: Vec::new(),
            observed_at: None,
            attempts_ended: 0,
            attempts_seen: 0,
            inventory_seq: 0,
            inventory_session: None,
            last_call: 0,
        }
    }

    /// Whether its inventory shows all that its tasks have done: the agent knew of the end of every attempt before it
    /// looked. Counted, not timed: messages may pass each other on their way.
    #[must_use]
    pub fn is_observed_since_its_last_task(&self) -> bool {
        self.observed_at.is_some() && self.attempts_seen == self.attempts_ended
    }
}
