//! Bodies of `/tokens`.

use graphium_core::clock::Timestamp;
use graphium_core::id::AgentId;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Everything, tokens and agents included.
    Admin,
    /// Deploys, submits, cancels.
    User,
    /// Reads.
    Viewer,
    /// Lets one agent join, once.
    Join,
}

impl TokenRole {
    /// The role as the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Viewer => "viewer",
            Self::Join => "join",
        }
    }
}

/// Body of `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateToken {
    /// Whose it is, for people; it stands in the audit.
    pub name: String,
    /// What it is good for.
    pub role: TokenRole,
    /// How long it is good. An hour for a join token and 90 days for others when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<Seconds>,
    /// For a join token: only this agent may join with it, and it may replace the key that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
}

/// A token as lists show it: never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its id, for revoking it.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What it is good for.
    pub role: TokenRole,
    /// For a join token: the only agent that may join with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// When it was made.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Until when it is good.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// For a join token: the agent that joined with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<AgentId>,
    /// Why nothing but its id is known, and nobody can use it: what is kept of it cannot be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl TokenView {
    /// A token of which only the id can be read.
    #[cfg(feature = "server")]
    pub(crate) fn unreadable(id: String, written_at: Timestamp, why: String) -> Self {
        Self {
            id,
            name: "unreadable".to_owned(),
            role: TokenRole::Viewer,
            agent_id: None,
            created_at: written_at,
            created_by: "unreadable".to_owned(),
            expires_at: written_at,
            used_by: None,
            unreadable: Some(why),
        }
    }
}

/// A new token, and the only time that its secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The token as lists show it.
    #[serde(flatten)]
    pub view: TokenView,
    /// The secret: what goes into `Authorization: Bearer …`, or into the join call.
    pub token: String,
}

impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken").field("view", &self.view).finish_non_exhaustive()
    }
}
