//! Bodies of the routes by which an agent gets and keeps its credential, and of the host list.

use graphium_core::clock::Timestamp;
use graphium_core::id::{AgentId, InstallationId};
use graphium_core::stack::EngineInfo;
use graphium_core::store::{Host, HostState};
use serde::{Deserialize, Serialize};

use super::Seconds;

/// The longest name that a machine may give.
pub const MAX_MACHINE_LENGTH: usize = 255;

/// Body of `POST /agents/join`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JoinCall {
    /// The one-use token.
    pub token: String,
    /// The id that the agent wants to serve.
    pub agent_id: AgentId,
    /// The public half of its Ed25519 key: 32 bytes in base64url.
    pub public_key: String,
    /// The machine it runs on.
    pub machine: String,
    /// Proof that it has the other half: its signature over [`join_message`], in base64url.
    pub signature: String,
}

impl std::fmt::Debug for JoinCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinCall")
            .field("agent_id", &self.agent_id)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// What an agent signs to join.
#[must_use]
pub fn join_message(token: &str, agent: &AgentId) -> Vec<u8> {
    format!("graphium join\n{agent}\n{token}").into_bytes()
}

/// What an agent signs to renew its credential without a valid one.
#[must_use]
pub fn renewal_message(challenge: &str, agent: &AgentId) -> Vec<u8> {
    format!("graphium credential\n{agent}\n{challenge}").into_bytes()
}

/// Answer of `POST /agents/{id}/challenge`: a short-lived text to be signed. It comes from the server, so
/// the agent's clock need not agree with anybody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// The text.
    pub challenge: String,
    /// How long it is good.
    pub expires_in_seconds: Seconds,
}

/// Body of `POST /agents/{id}/credential`: empty with a valid credential, else a signed challenge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CredentialCall {
    /// The challenge as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// The agent's signature over [`renewal_message`], in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A credential, from joining or renewing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CredentialReply {
    /// The agent that it is bound to.
    pub agent_id: AgentId,
    /// The installation that the agent now belongs to. Labels carry it.
    pub installation: InstallationId,
    /// What goes into `Authorization: Bearer …`.
    pub token: String,
    /// How long it is good: a duration, since the agent's clock may be wrong.
    pub expires_in_seconds: Seconds,
}

impl std::fmt::Debug for CredentialReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialReply")
            .field("agent_id", &self.agent_id)
            .field("installation", &self.installation)
            .field("expires_in_seconds", &self.expires_in_seconds)
            .finish_non_exhaustive()
    }
}

/// A host in a list: what `GET /agents/{id}` shows, with a count in the place of the instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostSummary {
    /// The agent that serves it.
    pub id: AgentId,
    /// Whether it answers.
    pub state: HostState,
    /// The machine its agent runs on.
    pub machine: String,
    /// When the agent was last heard of.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub last_seen_at: Timestamp,
    /// Its engine, as last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineInfo>,
    /// How many instances it last reported.
    pub instance_count: usize,
    /// When it reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub observed_at: Option<Timestamp>,
}

impl From<Host> for HostSummary {
    fn from(host: Host) -> Self {
        Self {
            id: host.id,
            state: host.state,
            machine: host.machine,
            last_seen_at: host.last_seen_at,
            engine: host.engine,
            instance_count: host.instances.len(),
            observed_at: host.observed_at,
        }
    }
}
