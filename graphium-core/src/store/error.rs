//! One error for every store, by what the caller can do about it.

use std::error::Error;
use std::fmt;

/// What a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// There is no such object.
    NotFound,
    /// The object is not as the caller expects.
    Conflict,
    /// A newer generation of the stack exists.
    Superseded,
    /// The session was taken over from: this process must stop working for the agent.
    SessionEnded,
    /// Another machine serves this agent id.
    AgentInUse,
    /// The caller's input breaks a rule or a limit.
    Invalid,
    /// The caller is not who it must be.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// What was asked for was there and is not kept any more.
    Gone,
    /// The store was restored from a backup, and takes no work before somebody has confirmed that.
    Held,
    /// Not now: try again.
    Unavailable,
    /// What was read back is not what was written.
    Corrupt,
    /// A fault in the store.
    Internal,
}

impl StoreErrorKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::NotFound,
        Self::Conflict,
        Self::Superseded,
        Self::SessionEnded,
        Self::AgentInUse,
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Gone,
        Self::Held,
        Self::Unavailable,
        Self::Corrupt,
        Self::Internal,
    ];

    /// The kind as a stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Superseded => "superseded",
            Self::SessionEnded => "session_ended",
            Self::AgentInUse => "agent_in_use",
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::Held => "held",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
        }
    }
}

/// An error of a store: what kind, in which operation, about which object.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of this kind. The message names the object and says what to do next.
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can act on.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            StoreErrorKind::Unavailable | StoreErrorKind::AgentInUse => true,
            StoreErrorKind::NotFound
            | StoreErrorKind::Conflict
            | StoreErrorKind::Superseded
            | StoreErrorKind::SessionEnded
            | StoreErrorKind::Invalid
            | StoreErrorKind::Unauthorized
            | StoreErrorKind::Forbidden
            | StoreErrorKind::Gone
            | StoreErrorKind::Held
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Internal => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
