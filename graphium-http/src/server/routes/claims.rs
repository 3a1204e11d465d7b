//! The agent's one loop call.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use graphium_core::id::AgentId;
use graphium_core::store::ClaimRequest;

use super::Answer;
use crate::server::body::{At, Body};
use crate::server::caller::{Caller, bearer};
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{ClaimCall, ClaimReply, Problem};

/// Renews the agent's session, takes its reports, and answers with work and orders; waits for some when there is none.
#[utoipa::path(
    post, path = "/agents/{id}/claims", tag = "agents", params(("id" = String, Path)), request_body = ClaimCall,
    responses((status = 200, body = ClaimReply), (status = "default", body = Problem))
)]
pub(super) async fn claim(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    At(id): At<AgentId>,
    Body(call): Body<ClaimCall>,
) -> Answer<ClaimReply> {
    caller.require_agent(&id)?;
    let request = ClaimRequest::from(call);
    request.validate().map_err(|over| ApiError::invalid(over.path, over.rule))?;
    if request.wait.is_zero() {
        return Ok(Json(state.store.claim(&id, request).await?.into()));
    }
    let permit = state.polls.admit(&id)?;
    // Again, since only from here on a revocation ends the wait.
    state.access.authenticate(bearer(&headers)?).await?;
    // They keep the buffer that the request was read into, and thousands of agents wait.
    drop(headers);
    let at_once = ClaimRequest { wait: Duration::ZERO, ..request.clone() };
    let answer = tokio::select! {
        biased;
        () = permit.revoked() => return Err(ApiError::unauthorized("the credential was revoked while the call waited")),
        answer = state.store.claim(&id, request) => answer?,
        // The same call without the wait: what it reported is answered again, and nothing is lost with the cut.
        () = state.stopping.cancelled() => state.store.claim(&id, at_once).await?,
    };
    Ok(Json(answer.into()))
}
