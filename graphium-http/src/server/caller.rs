//! Who calls, and what that allows.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use graphium_core::id::AgentId;
use serde::Deserialize;
use tokio::time::Instant;

use super::limits::STREAM_BEAT;
use super::problem::ApiError;
use super::state::AppState;

/// What somebody may do. Each of the first three includes those before it; an agent is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Viewer,
    User,
    Admin,
}

/// Somebody whose token was checked, against the store, for this very call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    Person { name: String, rank: Rank },
    Agent(AgentId),
}

impl Caller {
    /// The name that stands in the event log.
    pub(crate) fn actor(&self) -> String {
        match self {
            Self::Person { name, .. } => name.clone(),
            Self::Agent(agent) => format!("agent:{agent}"),
        }
    }

    fn require(self, needed: Rank) -> Result<Self, ApiError> {
        match &self {
            Self::Person { rank, .. } if *rank >= needed => Ok(self),
            Self::Person { rank, .. } => {
                Err(ApiError::forbidden(format!("a {rank:?} may not do this: it needs {needed:?}").to_lowercase()))
            }
            Self::Agent(agent) => Err(ApiError::forbidden(format!("agent {agent} may only do its own work"))),
        }
    }

    /// Refuses everybody but this agent itself.
    pub(crate) fn require_agent(&self, agent: &AgentId) -> Result<(), ApiError> {
        match self {
            Self::Agent(own) if own == agent => Ok(()),
            Self::Agent(own) => {
                Err(ApiError::forbidden(format!("the token of agent {own} is not good for agent {agent}")))
            }
            Self::Person { .. } => Err(ApiError::forbidden(format!("only agent {agent} itself may do this"))),
        }
    }

    /// Refuses agents other than this one, and lets every person read.
    pub(crate) fn require_agent_or_viewer(&self, agent: &AgentId) -> Result<(), ApiError> {
        match self {
            Self::Person { .. } => Ok(()),
            Self::Agent(_) => self.require_agent(agent),
        }
    }
}

/// The token of a call's headers.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || ApiError::unauthorized("a token is needed: Authorization: Bearer …");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers)?.to_owned();
        state.access.authenticate(&token).await
    }
}

/// A caller who may read.
pub(crate) struct Viewer;

impl FromRequestParts<AppState> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        Caller::from_request_parts(parts, state).await?.require(Rank::Viewer).map(|_| Self)
    }
}

macro_rules! ranks {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) Caller);

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
                Caller::from_request_parts(parts, state).await?.require(Rank::$name).map(Self)
            }
        }
    )*};
}

ranks! {
    /// A caller who may deploy, submit and cancel.
    User;
    /// A caller who may do everything.
    Admin;
}

/// A caller who may read, on a route where a browser cannot set headers: its token may stand in the query.
/// Keeps the token, so that a long stream ends soon after it is revoked.
pub(crate) struct Watcher {
    token: Arc<str>,
    checked: Instant,
}

#[derive(Deserialize)]
struct TokenQuery {
    access_token: Option<String>,
}

impl FromRequestParts<AppState> for Watcher {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Query(query) = Query::<TokenQuery>::from_request_parts(parts, state).await?;
        let token = match query.access_token {
            Some(token) if !parts.headers.contains_key(header::AUTHORIZATION) => token,
            _ => bearer(&parts.headers)?.to_owned(),
        };
        let watcher = Self { token: token.into(), checked: Instant::now() };
        watcher.check(state).await?;
        Ok(watcher)
    }
}

impl Watcher {
    /// Whether the token still allows to read, as it was found within the last beat: a busy stream is no way to
    /// outlive one's token.
    pub(crate) async fn is_good(&mut self, state: &AppState) -> bool {
        if self.checked.elapsed() < STREAM_BEAT {
            return true;
        }
        self.checked = Instant::now();
        self.check(state).await.is_ok()
    }

    async fn check(&self, state: &AppState) -> Result<(), ApiError> {
        state.access.authenticate(&self.token).await?.require(Rank::Viewer).map(drop)
    }
}
