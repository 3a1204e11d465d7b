//! Agents and their hosts: joining, credentials, and what hosts report.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use graphium_core::id::{AgentId, SessionId};
use graphium_core::store::{ClaimRequest, Cursor, Host, Page, PageRequest, TaskFilter};
use graphium_core::task::{Task, TaskView};
use serde::Deserialize;

use super::Answer;
use super::status::{PLAIN_MACHINE, implicit_session};
use crate::server::body::{Asked, At, Body, PageQuery, list_of, page};
use crate::server::caller::{Admin, Caller, Viewer};
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{Challenge, CredentialCall, CredentialReply, HostSummary, InventoryCall, JoinCall, Problem};

/// The hosts, by id.
#[utoipa::path(get, path = "/agents", tag = "agents", params(PageQuery), responses(
    (status = 200, body = Page<HostSummary>), (status = "default", body = Problem)
))]
pub(super) async fn list_agents(
    State(state): State<AppState>,
    _: Viewer,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<HostSummary>> {
    let request = query.request()?;
    let hosts = state.store.hosts().await?;
    Ok(Json(cut(hosts, &request, |host| host.id.to_string()).map(HostSummary::from)))
}

/// A page of a list that is at hand as a whole, ordered by a key.
pub(super) fn cut<T>(mut all: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Page<T> {
    all.sort_by_cached_key(&key);
    let begin = request.after.as_ref().map_or(0, |Cursor(after)| all.partition_point(|entry| key(entry) <= *after));
    let mut items = all.split_off(begin);
    let more = items.len() > request.limit;
    items.truncate(request.limit);
    let next = if more { items.last().map(|last| Cursor(key(last))) } else { None };
    Page { items, next }
}

/// Lets an agent join with a one-use token; the answer is its own credential.
#[utoipa::path(post, path = "/agents/join", tag = "agents", security(()), request_body = JoinCall, responses(
    (status = 200, body = CredentialReply), (status = "default", body = Problem)
))]
pub(super) async fn join(State(state): State<AppState>, Body(call): Body<JoinCall>) -> Answer<CredentialReply> {
    let reply = state.access.join(&call).await?;
    // Whoever had this id before has a void credential now.
    state.polls.revoke(&reply.agent_id);
    Ok(Json(reply))
}

/// A host with its instances, as its agent last reported them.
#[utoipa::path(get, path = "/agents/{id}", tag = "agents", params(("id" = String, Path)), responses(
    (status = 200, body = Host), (status = "default", body = Problem)
))]
pub(super) async fn show_agent(State(state): State<AppState>, caller: Caller, At(id): At<AgentId>) -> Answer<Host> {
    caller.require_agent_or_viewer(&id)?;
    let hosts = state.store.hosts().await?;
    let host = hosts.into_iter().find(|host| host.id == id);
    host.map(Json).ok_or_else(|| ApiError::not_found(format!("no agent {id} was seen yet")))
}

/// Makes an agent's credential void at once. Its tasks and what is known of its host stay.
#[utoipa::path(delete, path = "/agents/{id}", tag = "agents", params(("id" = String, Path)), responses(
    (status = 204), (status = "default", body = Problem)
))]
pub(super) async fn delete_agent(
    State(state): State<AppState>,
    Admin(caller): Admin,
    At(id): At<AgentId>,
) -> Result<StatusCode, ApiError> {
    state.access.revoke_agent(&id, &caller.actor()).await?;
    state.polls.revoke(&id);
    Ok(StatusCode::NO_CONTENT)
}

/// A text that an agent signs to get a credential without a valid one.
#[utoipa::path(post, path = "/agents/{id}/challenge", tag = "agents", security(()), params(("id" = String, Path)), responses(
    (status = 200, body = Challenge), (status = "default", body = Problem)
))]
pub(super) async fn challenge(State(state): State<AppState>, At(id): At<AgentId>) -> Answer<Challenge> {
    Ok(Json(state.access.challenge(&id)?))
}

/// A fresh credential: with a valid one, or with a signed challenge.
#[utoipa::path(
    post, path = "/agents/{id}/credential", tag = "agents", security((), ("token" = [])), params(("id" = String, Path)),
    request_body = CredentialCall,
    responses((status = 200, body = CredentialReply), (status = "default", body = Problem))
)]
pub(super) async fn credential(
    State(state): State<AppState>,
    caller: Result<Caller, ApiError>,
    At(id): At<AgentId>,
    Body(call): Body<CredentialCall>,
) -> Answer<CredentialReply> {
    let caller = if call.challenge.is_some() { None } else { Some(caller?) };
    Ok(Json(state.access.renew(&id, caller, &call).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AgentTasksQuery {
    /// Only these statuses, separated by commas.
    status: Option<String>,
    /// At most so many entries, up to 1000; 100 when nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The agent's open tasks, in claim order. Reading claims nothing.
#[utoipa::path(
    get, path = "/agents/{id}/tasks", tag = "agents", params(("id" = String, Path), AgentTasksQuery),
    responses((status = 200, body = Page<TaskView>), (status = "default", body = Problem))
)]
pub(super) async fn agent_tasks(
    State(state): State<AppState>,
    caller: Caller,
    At(id): At<AgentId>,
    Asked(query): Asked<AgentTasksQuery>,
) -> Answer<Page<TaskView>> {
    caller.require_agent_or_viewer(&id)?;
    let filter = TaskFilter {
        statuses: list_of("status", query.status.as_deref())?,
        agent: Some(id.clone()),
        claim_order: true,
        ..TaskFilter::default()
    };
    let tasks = state.store.tasks(filter, page(query.limit, query.cursor)?).await?;
    if matches!(caller, Caller::Agent(_)) {
        renew_if_implicit(&state, &id, &tasks.items).await?;
    }
    Ok(Json(tasks.map(TaskView::from)))
}

/// An agent that polls plainly has an implicit session, which each of its calls renews.
async fn renew_if_implicit(state: &AppState, agent: &AgentId, tasks: &[Task]) -> Result<(), ApiError> {
    let session: SessionId = implicit_session(state, agent);
    if tasks.iter().any(|task| task.state.lease().is_some_and(|lease| lease.session == session)) {
        state.store.claim(agent, ClaimRequest::hello(session, PLAIN_MACHINE)).await?;
    }
    Ok(())
}

/// Takes what a host observed. Older than what is known is dropped.
#[utoipa::path(
    put, path = "/agents/{id}/inventory", tag = "agents", params(("id" = String, Path)), request_body = InventoryCall,
    responses((status = 204), (status = "default", body = Problem))
)]
pub(super) async fn inventory(
    State(state): State<AppState>,
    caller: Caller,
    At(id): At<AgentId>,
    Body(call): Body<InventoryCall>,
) -> Result<StatusCode, ApiError> {
    caller.require_agent(&id)?;
    state.store.inventory(&id, call.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_at_hand_is_cut_into_pages_without_loss() {
        let all: Vec<String> = ["c", "a", "e", "b", "d"].map(String::from).to_vec();
        let mut seen = Vec::new();
        let mut request = PageRequest { limit: 2, after: None };
        loop {
            let page = cut(all.clone(), &request, Clone::clone);
            assert!(page.items.len() <= 2);
            seen.extend(page.items);
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }
}
