//! One error for every deployer and runtime, by what the caller can do about it.

use std::error::Error;
use std::fmt;

use crate::task::{Failure, FailureCode};

/// What a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeployErrorKind {
    /// There is no such object.
    NotFound,
    /// An object of somebody else has the name.
    NameConflict,
    /// Somebody else holds the host port.
    PortConflict,
    /// The address range of a network overlaps that of another.
    AddressConflict,
    /// Somebody else still uses the object that should go.
    InUse,
    /// The engine refuses the definition.
    Invalid,
    /// The image is neither here nor in its registry.
    ImageNotFound,
    /// The registry wants other credentials.
    RegistryAuth,
    /// The registry wants fewer requests.
    RateLimited,
    /// The registry does not answer.
    RegistryUnreachable,
    /// The runtime cannot do that.
    Unsupported,
    /// The engine does not answer.
    Unavailable,
    /// The container runs and is not well, or keeps restarting.
    Unhealthy,
    /// The container ended by itself.
    Exited,
    /// The host has no room, or another limit of it is reached.
    Exhausted,
    /// The caller's token was cancelled.
    Cancelled,
    /// There is not enough time left.
    Timeout,
    /// A fault in the deployer or the engine.
    Internal,
}

/// An error of a deployer or runtime.
#[derive(Debug)]
pub struct DeployError {
    kind: DeployErrorKind,
    message: String,
    step: Option<&'static str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DeployError {
    /// An error of this kind. The message names the object and says what to do next.
    #[must_use]
    pub fn new(kind: DeployErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), step: None, source: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, in this step. The first, innermost step stands.
    #[must_use]
    pub fn in_step(mut self, step: &'static str) -> Self {
        self.step.get_or_insert(step);
        self
    }

    /// The same error, with one more clause in its message.
    #[must_use]
    pub fn noting(mut self, note: impl AsRef<str>) -> Self {
        self.message.push_str("; ");
        self.message.push_str(note.as_ref());
        self
    }

    /// What the caller can act on.
    #[must_use]
    pub const fn kind(&self) -> DeployErrorKind {
        self.kind
    }
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for DeployError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<DeployError> for Failure {
    /// The one place where an error in flight becomes a failure on record.
    fn from(error: DeployError) -> Self {
        let code = match error.kind {
            DeployErrorKind::NotFound => FailureCode::NotFound,
            DeployErrorKind::NameConflict => FailureCode::NameConflict,
            DeployErrorKind::PortConflict => FailureCode::PortConflict,
            DeployErrorKind::Invalid | DeployErrorKind::AddressConflict => FailureCode::InvalidSpec,
            DeployErrorKind::ImageNotFound => FailureCode::ImageNotFound,
            DeployErrorKind::RegistryAuth => FailureCode::RegistryAuth,
            DeployErrorKind::RateLimited => FailureCode::RateLimited,
            DeployErrorKind::RegistryUnreachable => FailureCode::RegistryUnreachable,
            DeployErrorKind::Unsupported => FailureCode::Unsupported,
            DeployErrorKind::Unavailable => FailureCode::EngineUnavailable,
            DeployErrorKind::Unhealthy => FailureCode::Unhealthy,
            DeployErrorKind::Exited => FailureCode::Exited,
            DeployErrorKind::Exhausted => FailureCode::ResourceExhausted,
            DeployErrorKind::Timeout => FailureCode::Timeout,
            DeployErrorKind::InUse | DeployErrorKind::Cancelled | DeployErrorKind::Internal => FailureCode::Internal,
        };
        let mut failure = Self::new(code, error.to_string());
        failure.step = error.step.map(str::to_owned);
        failure
    }
}
