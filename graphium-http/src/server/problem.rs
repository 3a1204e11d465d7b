//! From an error to the problem that a caller reads. The last step before the wire, and the only one that knows
//! HTTP statuses. What is internal is logged under an id and never sent.

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use graphium_core::control::{ControlError, ControlErrorKind};
use graphium_core::store::{StoreError, StoreErrorKind};
use uuid::Uuid;

use super::limits::RETRY_AFTER;
use crate::wire::{InvalidBody, PROBLEM_MEDIA_TYPE, Problem, ProblemCode, ProblemField};

/// The code of each kind of store error.
#[must_use]
pub fn code_of(kind: StoreErrorKind) -> ProblemCode {
    match kind {
        StoreErrorKind::NotFound => ProblemCode::NotFound,
        StoreErrorKind::Conflict => ProblemCode::Conflict,
        StoreErrorKind::Superseded => ProblemCode::Superseded,
        StoreErrorKind::SessionEnded => ProblemCode::SessionEnded,
        StoreErrorKind::AgentInUse => ProblemCode::AgentInUse,
        StoreErrorKind::Invalid => ProblemCode::Invalid,
        StoreErrorKind::Unauthorized => ProblemCode::Unauthorized,
        StoreErrorKind::Forbidden => ProblemCode::Forbidden,
        StoreErrorKind::Held => ProblemCode::StoreHeld,
        StoreErrorKind::Gone => ProblemCode::Gone,
        StoreErrorKind::Unavailable => ProblemCode::Unavailable,
        StoreErrorKind::Corrupt => ProblemCode::Corrupt,
        StoreErrorKind::Internal | _ => ProblemCode::Internal,
    }
}

/// The code of each kind of error of the control plane.
#[must_use]
pub fn code_of_control(kind: ControlErrorKind) -> ProblemCode {
    match kind {
        ControlErrorKind::InvalidDefinition => ProblemCode::InvalidDefinition,
        ControlErrorKind::PlacementRefused => ProblemCode::PlacementRefused,
        ControlErrorKind::PlanChanged => ProblemCode::PlanChanged,
        ControlErrorKind::NotFound => ProblemCode::NotFound,
        ControlErrorKind::Store(kind) => code_of(kind),
        _ => ProblemCode::Internal,
    }
}

/// An error on its way to the caller.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: ProblemCode,
    detail: String,
    errors: Vec<ProblemField>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), source: None }
    }

    pub(crate) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        let detail = if path.is_empty() { message.clone() } else { format!("{path}: {message}") };
        Self::new(ProblemCode::Invalid, detail).with_fields(vec![ProblemField::new(path, message)])
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Unauthorized, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Forbidden, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::new(ProblemCode::Internal, "a fault in the server") }
    }

    pub(crate) fn with_fields(mut self, errors: Vec<ProblemField>) -> Self {
        self.errors = errors;
        self
    }

    pub(crate) fn code(&self) -> ProblemCode {
        self.code
    }

    /// The whole chain, for the log.
    fn chain(&self) -> String {
        let mut text = self.detail.clone();
        let mut next: Option<&(dyn Error + 'static)> = self.source.as_deref().map(|source| source as _);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self { detail: error.to_string(), code: code_of(error.kind()), errors: Vec::new(), source: Some(error.into()) }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        Self {
            code: code_of_control(error.kind()),
            detail: error.to_string(),
            errors: error.problems().iter().map(ProblemField::from).collect(),
            source: Some(error.into()),
        }
    }
}

impl From<InvalidBody> for ApiError {
    fn from(error: InvalidBody) -> Self {
        Self::invalid(error.field, error.rule)
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(ProblemCode::Invalid, rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        let error = Self::new(ProblemCode::Invalid, rejection.body_text());
        match field_of(&rejection) {
            Some(field) => error.with_fields(vec![field]),
            None => error,
        }
    }
}

/// The variable of a query that could not be read.
fn field_of(rejection: &QueryRejection) -> Option<ProblemField> {
    let mut cause = rejection.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
            return Some(ProblemField::new(error.path().to_string(), error.inner().to_string()));
        }
        cause = error.source();
    }
    None
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut problem = if self.code.status().is_server_error() && self.code != ProblemCode::Unavailable {
            let id = Uuid::new_v4();
            tracing::error!(error_id = %id, error = %self.chain(), "a call ended in a fault");
            Problem::new(self.code, format!("a fault in the server; its log says more under error id {id}"))
        } else {
            if self.source.is_some() {
                tracing::debug!(code = self.code.as_str(), error = %self.chain(), "a call was refused");
            }
            Problem::new(self.code, self.detail)
        };
        problem.errors = self.errors;
        let mut response = (self.code.status(), Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        if let Some(after) = retry_after(self.code) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        if self.code == ProblemCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn retry_after(code: ProblemCode) -> Option<Duration> {
    matches!(code, ProblemCode::Unavailable | ProblemCode::TooManyRequests).then_some(RETRY_AFTER)
}

/// Answers what no route answers.
pub(crate) async fn unknown_route(request: Request) -> ApiError {
    ApiError::not_found(format!("there is no {} {}", request.method(), request.uri().path()))
}

/// Answers a known path with a method that it does not have.
pub(crate) async fn unknown_method(request: Request) -> ApiError {
    let detail = format!("{} has no {}", request.uri().path(), request.method());
    ApiError::new(ProblemCode::MethodNotAllowed, detail)
}

/// Answers for a handler that panicked.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub(crate) fn after_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal(format!("a handler panicked: {}", text.unwrap_or("without a message"))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(error: ApiError) -> (Response, String) {
        let (parts, body) = error.into_response().into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (Response::from_parts(parts, axum::body::Body::empty()), String::from_utf8(bytes.into()).unwrap())
    }

    #[tokio::test]
    async fn what_is_internal_stays_in_the_log() {
        for kind in [StoreErrorKind::Internal, StoreErrorKind::Corrupt] {
            let error = StoreError::new(kind, "row 7 of /var/lib/x").caused_by("the disk at sda1");
            let (response, text) = sent(error.into()).await;
            assert_eq!(response.status().as_u16(), 500);
            assert!(text.contains("error id") && !text.contains("row 7") && !text.contains("sda1"), "{text}");
        }
    }

    #[tokio::test]
    async fn what_caused_an_outage_is_not_told_but_when_to_come_again_is() {
        let error = StoreError::new(StoreErrorKind::Unavailable, "the store is busy").caused_by("lock on /var/lib/x");
        let (response, text) = sent(error.into()).await;
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_MEDIA_TYPE);
        assert!(text.contains("the store is busy") && !text.contains("/var/lib/x"), "{text}");
    }

    #[tokio::test]
    async fn too_many_requests_say_when_to_come_again() {
        let (response, _) = sent(ApiError::new(ProblemCode::TooManyRequests, "x")).await;
        assert_eq!((response.status().as_u16(), response.headers()[header::RETRY_AFTER].to_str().unwrap()), (429, "2"));
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_without_its_message() {
        let response = after_panic(Box::new("the password is x"));
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let problem: Problem = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(problem.known_code(), Some(ProblemCode::Internal));
        assert!(!problem.detail.contains("password"));
    }
}
