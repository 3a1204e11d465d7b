//! Why a call did not bring what was asked for, and which kind of store error that is.

use std::error::Error;
use std::fmt;

use graphium_core::store::{StoreError, StoreErrorKind};
use http::StatusCode;

use crate::wire::{Problem, ProblemCode};

/// The kind of store error that a problem stands for. The inverse of what the server does; a code of a newer server is
/// judged by its status.
#[must_use]
pub fn kind_of(problem: &Problem) -> StoreErrorKind {
    let Some(code) = problem.known_code() else { return kind_of_status(problem.status) };
    match code {
        ProblemCode::NotFound => StoreErrorKind::NotFound,
        ProblemCode::Conflict | ProblemCode::StaleAttempt | ProblemCode::PlanChanged => StoreErrorKind::Conflict,
        ProblemCode::Superseded => StoreErrorKind::Superseded,
        ProblemCode::SessionEnded => StoreErrorKind::SessionEnded,
        ProblemCode::AgentInUse => StoreErrorKind::AgentInUse,
        ProblemCode::Invalid
        | ProblemCode::InvalidDefinition
        | ProblemCode::PlacementRefused
        | ProblemCode::MethodNotAllowed
        | ProblemCode::PayloadTooLarge
        | ProblemCode::UnsupportedMediaType => StoreErrorKind::Invalid,
        ProblemCode::Unauthorized => StoreErrorKind::Unauthorized,
        ProblemCode::Forbidden => StoreErrorKind::Forbidden,
        ProblemCode::StoreHeld => StoreErrorKind::Held,
        ProblemCode::Gone => StoreErrorKind::Gone,
        ProblemCode::RequestTimeout | ProblemCode::TooManyRequests | ProblemCode::Unavailable => {
            StoreErrorKind::Unavailable
        }
        ProblemCode::Corrupt => StoreErrorKind::Corrupt,
        ProblemCode::Internal => StoreErrorKind::Internal,
    }
}

fn kind_of_status(status: u16) -> StoreErrorKind {
    match status {
        401 => StoreErrorKind::Unauthorized,
        403 => StoreErrorKind::Forbidden,
        404 => StoreErrorKind::NotFound,
        410 => StoreErrorKind::Gone,
        409 => StoreErrorKind::Conflict,
        408 | 429 | 502 | 503 | 504 => StoreErrorKind::Unavailable,
        400..=499 => StoreErrorKind::Invalid,
        _ => StoreErrorKind::Internal,
    }
}

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The client was set up in a way that cannot work.
    Setup(String),
    /// The call breaks a limit that every server has, so it was not sent.
    Unsent(String),
    /// The server did not answer, or not in time.
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The server refused.
    Refused(Box<Problem>),
    /// Something answered, but not as a Graphium server does.
    Unreadable {
        /// Where.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ClientError {
    /// What the caller can act on.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Setup(_) | Self::Unsent(_) => StoreErrorKind::Invalid,
            Self::Unreachable { .. } => StoreErrorKind::Unavailable,
            Self::Refused(problem) => kind_of(problem),
            Self::Unreadable { .. } => StoreErrorKind::Internal,
        }
    }

    /// Whether the server could not be reached, or did not answer in time.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What the server said, if it refused.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Setup(_) | Self::Unsent(_) | Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// An error answer, whatever sent it: a proxy in between answers in a form of its own.
    pub(super) fn refused(url: &str, status: StatusCode, body: &[u8]) -> Self {
        let problem = serde_json::from_slice::<Problem>(body).unwrap_or_else(|_| {
            let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
            let status_text = status.to_string();
            Problem {
                kind: "about:blank".into(),
                title: status_text.clone(),
                status: status.as_u16(),
                detail: format!("{url} answered {status_text}: {}", text.trim()),
                code: String::new(),
                errors: Vec::new(),
            }
        });
        Self::Refused(Box::new(problem))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(reason) | Self::Unsent(reason) => f.write_str(reason),
            Self::Unreachable { url, source } if source.is_timeout() => write!(f, "{url} did not answer in time"),
            Self::Unreachable { url, .. } => write!(f, "{url} cannot be reached"),
            Self::Refused(problem) => problem.fmt(f),
            Self::Unreadable { url, reason } => write!(f, "{url} does not answer like a Graphium server: {reason}"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::Setup(_) | Self::Unsent(_) | Self::Refused(_) | Self::Unreadable { .. } => None,
        }
    }
}

impl From<ClientError> for StoreError {
    fn from(error: ClientError) -> Self {
        Self::new(error.kind(), error.to_string()).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_newer_server_is_judged_by_its_status() {
        let mut problem = Problem::new(ProblemCode::Conflict, "x");
        problem.code = "something_new".into();
        assert_eq!(kind_of(&problem), StoreErrorKind::Conflict);
        problem.status = 503;
        assert_eq!(kind_of(&problem), StoreErrorKind::Unavailable);
    }

    #[test]
    fn the_page_of_a_proxy_is_an_outage_and_not_a_fault() {
        let error = ClientError::refused("https://g.example", StatusCode::BAD_GATEWAY, b"<html>bad gateway</html>");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("502"), "{error}");
    }
}
