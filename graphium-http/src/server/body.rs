//! What comes in: bodies, queries and paths, refused as problems with their place.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use graphium_core::store::{Cursor, DEFAULT_PAGE, MAX_PAGE, PageRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::limits::BODY_TIMEOUT;
use super::problem::ApiError;
use crate::wire::{ProblemCode, ProblemField};

/// A JSON body. An empty one reads as `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = is_json(request.headers());
        let bytes = read(request, state).await?;
        if !bytes.is_empty() && !json {
            let detail = "this route reads JSON: send it with content-type application/json";
            return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
        }
        parse(if bytes.is_empty() { b"{}" } else { &bytes }).map(Self)
    }
}

/// A body as text, with its media type.
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) media_type: String,
}

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let media_type = media_type(request.headers()).to_owned();
        let bytes = read(request, state).await?;
        let text = String::from_utf8(bytes.into()).map_err(|_| ApiError::invalid("", "the body is not UTF-8"))?;
        Ok(Self { text, media_type })
    }
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers).to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
    let late =
        |_| ApiError::new(ProblemCode::RequestTimeout, format!("the body did not arrive within {BODY_TIMEOUT:?}"));
    read.map_err(late)?.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::new(ProblemCode::PayloadTooLarge, "the body is larger than this route takes")
        } else {
            ApiError::invalid("", format!("the body could not be read: {}", rejection.body_text()))
        }
    })
}

/// Reads JSON, with the path of the first fault.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = ProblemField {
            line: Some(error.inner().line()).filter(|line| *line > 0),
            column: Some(error.inner().column()).filter(|column| *column > 0),
            ..ProblemField::new(if path == "." { "" } else { path.as_str() }, error.inner().to_string())
        };
        ApiError::new(ProblemCode::Invalid, format!("the body is not as it must be: {error}")).with_fields(vec![field])
    })?;
    reader.end().map_err(|error| ApiError::invalid("", format!("something follows the JSON: {error}")))?;
    Ok(value)
}

/// The variables of a path.
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::<T>::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The variables of a query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// At most so many entries, up to 1000; 100 when nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    pub(crate) fn request(self) -> Result<PageRequest, ApiError> {
        page(self.limit, self.cursor)
    }
}

/// Checks the limit of a page before any store is asked.
pub(crate) fn page(limit: Option<usize>, cursor: Option<String>) -> Result<PageRequest, ApiError> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::invalid("limit", format!("{limit} is out of range: a page has 1 to {MAX_PAGE} entries")));
    }
    Ok(PageRequest { limit, after: cursor.map(Cursor) })
}

/// Reads a comma-separated list of names.
pub(crate) fn list_of<T: DeserializeOwned>(path: &str, text: Option<&str>) -> Result<Vec<T>, ApiError> {
    let names = text.unwrap_or("").split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            serde_json::from_value(serde_json::Value::String(name.to_owned()))
                .map_err(|error| ApiError::invalid(path, format!("{name:?}: {error}")))
        })
        .collect()
}
