//! Errors as RFC 9457 problems with a stable code.

use std::fmt;

use graphium_core::stack::Problem as DefinitionProblem;
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A URN that ends in the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with which object, and what to do next.
    pub detail: String,
    /// What a program can match on; see [`ProblemCode`].
    pub code: String,
    /// For bad input: each fault with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

/// One fault in a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ProblemField {
    /// Where: a path such as `hasPart[0].image`.
    pub path: String,
    /// The line, where the body was a text document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The character in that line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong there.
    pub message: String,
}

impl From<&DefinitionProblem> for ProblemField {
    fn from(problem: &DefinitionProblem) -> Self {
        Self {
            path: problem.path.clone(),
            line: problem.line,
            column: problem.column,
            message: problem.message.clone(),
        }
    }
}

impl ProblemField {
    /// A fault at a path.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, column: None, message: message.into() }
    }
}

impl Problem {
    /// A problem with this code.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:graphium:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            errors: Vec::new(),
        }
    }

    /// Its code, if this side knows it.
    #[must_use]
    pub fn known_code(&self) -> Option<ProblemCode> {
        ProblemCode::ALL.into_iter().find(|code| code.as_str() == self.code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        for field in &self.errors {
            write!(f, "\n  {}", field.path)?;
            if let Some(line) = field.line {
                write!(f, " (line {line})")?;
            }
            write!(f, ": {}", field.message)?;
        }
        Ok(())
    }
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// What a program can match on. Codes are never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode {
            $($(#[$doc])* $name,)*
        }

        impl ProblemCode {
            /// All of them.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// The code as the wire writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The code in words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

problem_codes! {
    /// There is no such object or route.
    NotFound = "not_found", NOT_FOUND, "not found";
    /// The object is not as the caller expects.
    Conflict = "conflict", CONFLICT, "conflict";
    /// The write belongs to an attempt that is over.
    StaleAttempt = "stale_attempt", CONFLICT, "the attempt is over";
    /// A newer generation of the stack exists.
    Superseded = "superseded", CONFLICT, "superseded by a newer generation";
    /// The session was taken over from.
    SessionEnded = "session_ended", CONFLICT, "the session is over";
    /// Another machine serves the agent id.
    AgentInUse = "agent_in_use", CONFLICT, "the agent id is in use";
    /// The world moved since the plan was made.
    PlanChanged = "plan_changed", CONFLICT, "the plan changed";
    /// The request is malformed or breaks a limit.
    Invalid = "invalid", BAD_REQUEST, "bad request";
    /// The stack definition has faults.
    InvalidDefinition = "invalid_definition", UNPROCESSABLE_ENTITY, "invalid definition";
    /// No host can take a container of the stack.
    PlacementRefused = "placement_refused", UNPROCESSABLE_ENTITY, "placement refused";
    /// The caller is not known.
    Unauthorized = "unauthorized", UNAUTHORIZED, "not authenticated";
    /// The caller may not do this.
    Forbidden = "forbidden", FORBIDDEN, "not allowed";
    /// The store was restored from a backup, and somebody must confirm that first.
    StoreHeld = "store_held", CONFLICT, "the store is held";
    /// It was there and is not kept any more.
    Gone = "gone", GONE, "not kept any more";
    /// The route exists, for other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "method not allowed";
    /// The body did not come in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "the request took too long";
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "body too large";
    /// The body has a media type that this route does not read.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "unsupported media type";
    /// Too many at once: try again.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "too many requests";
    /// Not now: try again.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "not available now";
    /// What was read back is not what was written.
    Corrupt = "corrupt", INTERNAL_SERVER_ERROR, "corrupt data";
    /// A fault in the server.
    Internal = "internal", INTERNAL_SERVER_ERROR, "internal fault";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_the_wire() {
        for code in ProblemCode::ALL {
            let problem = Problem::new(code, "x");
            let read: Problem = serde_json::from_str(&serde_json::to_string(&problem).unwrap()).unwrap();
            assert_eq!(read.known_code(), Some(code));
            assert_eq!(read.status, code.status().as_u16());
        }
    }

    #[test]
    fn a_problem_shows_each_fault_with_its_line() {
        let mut problem = Problem::new(ProblemCode::InvalidDefinition, "the definition has 1 fault");
        problem.errors.push(ProblemField { line: Some(7), ..ProblemField::new("hasPart[0].imgae", "unknown key") });
        assert_eq!(problem.to_string(), "the definition has 1 fault\n  hasPart[0].imgae (line 7): unknown key");
    }
}
