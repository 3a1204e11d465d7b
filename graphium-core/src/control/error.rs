//! What can go wrong when a stack is asked for.

use std::error::Error;
use std::fmt;

use crate::stack::Problem;
use crate::store::{StoreError, StoreErrorKind};

/// What a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlErrorKind {
    /// The definition breaks a rule; the problems say where.
    InvalidDefinition,
    /// An instance has no host; the problems say why each host was refused.
    PlacementRefused,
    /// The plan that was asked for is no longer the plan.
    PlanChanged,
    /// There is no such stack or deployment.
    NotFound,
    /// The store refused or does not answer.
    Store(StoreErrorKind),
}

/// An error of the control plane.
#[derive(Debug)]
pub struct ControlError {
    kind: ControlErrorKind,
    message: String,
    problems: Vec<Problem>,
    source: Option<StoreError>,
}

impl ControlError {
    pub(super) fn new(kind: ControlErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), problems: Vec::new(), source: None }
    }

    pub(super) fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems = problems;
        self
    }

    /// What the caller can act on.
    #[must_use]
    pub const fn kind(&self) -> ControlErrorKind {
        self.kind
    }

    /// Every problem of the definition or its placement, with its path.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ControlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().and_then(Error::source)
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        Self {
            kind: ControlErrorKind::Store(error.kind()),
            message: error.to_string(),
            problems: Vec::new(),
            source: Some(error),
        }
    }
}
