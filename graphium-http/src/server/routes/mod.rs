//! The routes, one file for each noun. A handler reads, asks the store and answers; it decides nothing.

mod agents;
mod claims;
mod events;
mod health;
mod instances;
mod stacks;
mod status;
mod store;
mod tasks;
mod tokens;
mod ws;

use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use axum::{Json, Router};
use graphium_core::stack::MAX_DEFINITION_BYTES;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::limits::{MAX_BODY_BYTES, MAX_CLAIM_BYTES, MAX_INVENTORY_BYTES};
use super::problem::{ApiError, after_panic, unknown_method, unknown_route};
use super::state::AppState;
use crate::wire::{BASE, Problem};

/// What a handler answers.
type Answer<T> = Result<Json<T>, ApiError>;

#[derive(OpenApi)]
#[openapi(
    info(title = "Graphium", description = "Deploy container stacks to many hosts through a durable task queue that the hosts pull from."),
    components(schemas(Problem)),
    security(("token" = []))
)]
struct ApiInfo;

fn described() -> OpenApiRouter<AppState> {
    let mut info = ApiInfo::openapi();
    let components = info.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let definition_limit = DefaultBodyLimit::max(MAX_DEFINITION_BYTES);
    let api = OpenApiRouter::new()
        .routes(routes!(agents::list_agents))
        .routes(routes!(agents::join))
        .routes(routes!(agents::show_agent, agents::delete_agent))
        .routes(routes!(agents::challenge))
        .routes(routes!(agents::credential))
        .routes(routes!(agents::agent_tasks))
        .routes(routes!(agents::inventory).layer(DefaultBodyLimit::max(MAX_INVENTORY_BYTES)))
        .routes(routes!(claims::claim).layer(DefaultBodyLimit::max(MAX_CLAIM_BYTES)))
        .routes(routes!(tasks::list_tasks, tasks::submit_tasks))
        .routes(routes!(tasks::task_stats))
        .routes(routes!(tasks::show_task))
        .routes(routes!(tasks::task_history))
        .routes(routes!(tasks::retry_task))
        .routes(routes!(tasks::cancel_task))
        .routes(routes!(status::report_status))
        .routes(routes!(stacks::list_stacks))
        .routes(routes!(stacks::validate_stack).layer(definition_limit))
        .routes(routes!(stacks::show_stack, stacks::apply_stack, stacks::delete_stack).layer(definition_limit))
        .routes(routes!(stacks::stop_stack))
        .routes(routes!(stacks::start_stack))
        .routes(routes!(stacks::restart_stack))
        .routes(routes!(stacks::list_deployments))
        .routes(routes!(stacks::show_deployment))
        .routes(routes!(instances::list_instances))
        .routes(routes!(events::stream_events))
        .routes(routes!(ws::watch_events))
        .routes(routes!(store::show_restore))
        .routes(routes!(store::confirm_restore))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token));
    let probes = OpenApiRouter::new().routes(routes!(health::healthz)).routes(routes!(health::readyz));
    OpenApiRouter::with_openapi(info).nest(BASE, api.merge(probes.clone())).merge(probes)
}

/// The OpenAPI document of every route, as JSON.
#[must_use]
pub fn openapi_json() -> String {
    let document = described().into_openapi();
    document.to_pretty_json().unwrap_or_else(|error| unreachable!("a document of plain values is JSON: {error}"))
}

/// The router over a state.
pub(super) fn router(state: AppState) -> Router {
    let (router, document) = described().split_for_parts();
    let document = Json(document);
    let serve_document = axum::routing::get(move || std::future::ready(document.clone()));
    router
        .route("/", axum::routing::get(health::index))
        .route("/openapi.json", serve_document.clone())
        .route("/api/v1/openapi.json", serve_document)
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(state)
}

/// Only the path: a query may hold a token, and headers do.
fn span<B>(request: &Request<B>) -> tracing::Span {
    tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
}
