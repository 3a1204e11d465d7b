//! Instances over all hosts, as last reported.

use axum::Json;
use axum::extract::State;
use graphium_core::id::{AgentId, StackName};
use graphium_core::store::{Host, Page};
use serde::Deserialize;

use super::Answer;
use super::agents::cut;
use crate::server::body::{Asked, page};
use crate::server::caller::Viewer;
use crate::server::state::AppState;
use crate::wire::{InstanceView, Problem};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct InstanceQuery {
    /// Only of this stack.
    stack_id: Option<StackName>,
    /// Only on this host.
    agent_id: Option<AgentId>,
    /// At most so many entries, up to 1000; 100 when nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Instances with their hosts. How current one is follows from its host's state.
#[utoipa::path(get, path = "/instances", tag = "instances", params(InstanceQuery), responses(
    (status = 200, body = Page<InstanceView>), (status = "default", body = Problem)
))]
pub(super) async fn list_instances(
    State(state): State<AppState>,
    _: Viewer,
    Asked(query): Asked<InstanceQuery>,
) -> Answer<Page<InstanceView>> {
    let request = page(query.limit, query.cursor)?;
    let hosts = state.store.hosts().await?.into_iter();
    let hosts = hosts.filter(|host| query.agent_id.as_ref().is_none_or(|agent| host.id == *agent));
    let mut all: Vec<InstanceView> = hosts.flat_map(instances).collect();
    if let Some(stack) = &query.stack_id {
        all.retain(|view| view.instance.stack.as_ref() == Some(stack));
    }
    Ok(Json(cut(all, &request, |view| format!("{}/{}", view.host_id, view.instance.runtime_id))))
}

fn instances(host: Host) -> impl Iterator<Item = InstanceView> {
    let Host { id, state, observed_at, instances, .. } = host;
    instances.into_iter().map(move |instance| InstanceView {
        host_id: id.clone(),
        host_state: state,
        observed_at,
        instance,
    })
}
