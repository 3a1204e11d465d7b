//! Tokens of users, and the one-use tokens that agents join with.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use graphium_core::store::Page;

use super::Answer;
use crate::server::body::{Asked, At, Body, PageQuery};
use crate::server::caller::Admin;
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{CreateToken, CreatedToken, Problem, TokenView};

/// The tokens that are good, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(PageQuery), responses(
    (status = 200, body = Page<TokenView>), (status = "default", body = Problem)
))]
pub(super) async fn list_tokens(
    State(state): State<AppState>,
    _: Admin,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<TokenView>> {
    Ok(Json(state.access.tokens(query.request()?).await?))
}

/// Makes a token. The answer is the only place where its secret is shown.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = CreateToken, responses(
    (status = 201, body = CreatedToken), (status = "default", body = Problem)
))]
pub(super) async fn create_token(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Body(call): Body<CreateToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    let created = state.access.create_token(call, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Makes a token void, at once and everywhere.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path)), responses(
    (status = 204), (status = "default", body = Problem)
))]
pub(super) async fn revoke_token(
    State(state): State<AppState>,
    Admin(caller): Admin,
    At(id): At<String>,
) -> Result<StatusCode, ApiError> {
    state.access.revoke_token(&id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
