//! Stacks: applied as a whole, acted on, shown.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use graphium_core::control::{ApplyOptions, StackPlan, StackSummary, StackView};
use graphium_core::id::{Generation, StackName};
use graphium_core::stack::jsonld::{self, Parsed};
use graphium_core::stack::{Deployment, DeploymentAction, InvalidDefinition};
use graphium_core::store::Page;
use serde::{Deserialize, Serialize};

use super::Answer;
use crate::server::body::{Asked, At, PageQuery, Text};
use crate::server::caller::{User, Viewer};
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{Problem, ProblemCode, ProblemField, Validated};

/// What a definition may be sent as.
const MEDIA_TYPES: [&str; 2] = ["application/ld+json", "application/json"];

fn read(definition: &Text) -> Result<Parsed, ApiError> {
    let media_type = definition.media_type.to_ascii_lowercase();
    if !media_type.is_empty() && !MEDIA_TYPES.contains(&media_type.as_str()) {
        let detail = format!("a definition is sent as {}, not as {media_type}", MEDIA_TYPES.join(" or "));
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
    }
    jsonld::parse(&definition.text).map_err(|error| invalid(&error))
}

fn invalid(error: &InvalidDefinition) -> ApiError {
    let fields = error.problems.iter().map(ProblemField::from).collect::<Vec<_>>();
    let detail = match fields.len() {
        1 => "the definition has a problem".to_owned(),
        many => format!("the definition has {many} problems"),
    };
    ApiError::new(ProblemCode::InvalidDefinition, detail).with_fields(fields)
}

/// The stacks, by name.
#[utoipa::path(get, path = "/stacks", tag = "stacks", params(PageQuery), responses(
    (status = 200, body = Page<StackSummary>), (status = "default", body = Problem)
))]
pub(super) async fn list_stacks(
    State(state): State<AppState>,
    _: Viewer,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<StackSummary>> {
    Ok(Json(state.control.stacks(query.request()?).await?))
}

/// Reads a definition and says everything that is wrong with it. Changes nothing.
#[utoipa::path(
    post, path = "/stacks/validate", tag = "stacks",
    request_body(content = Object, content_type = "application/ld+json"),
    responses((status = 200, body = Validated), (status = 422, body = Problem), (status = "default", body = Problem))
)]
pub(super) async fn validate_stack(_: Viewer, definition: Text) -> Answer<Validated> {
    let parsed = read(&definition)?;
    Ok(Json(Validated { stack: parsed.spec.name, warnings: parsed.warnings }))
}

/// What is wanted, what was observed, and how far the rollout is.
#[utoipa::path(get, path = "/stacks/{name}", tag = "stacks", params(("name" = String, Path)), responses(
    (status = 200, body = StackView), (status = "default", body = Problem)
))]
pub(super) async fn show_stack(State(state): State<AppState>, _: Viewer, At(name): At<StackName>) -> Answer<StackView> {
    Ok(Json(state.control.stack(&name).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ApplyQuery {
    /// Answer with the plan, and change nothing.
    #[serde(default)]
    plan: bool,
    /// Only if the plan is still the one with this hash.
    plan_hash: Option<String>,
}

/// A plan, or the deployment that was accepted.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Applied {
    Plan(StackPlan),
    Deployment(Box<Deployment>),
}

/// Applies a definition: from the answer on it is deployed, whatever crashes.
#[utoipa::path(
    put, path = "/stacks/{name}", tag = "stacks", params(("name" = String, Path), ApplyQuery),
    request_body(content = Object, content_type = "application/ld+json"),
    responses(
        (status = 200, body = StackPlan), (status = 202, body = Deployment), (status = 422, body = Problem),
        (status = "default", body = Problem)
    )
)]
pub(super) async fn apply_stack(
    State(state): State<AppState>,
    User(caller): User,
    At(name): At<StackName>,
    Asked(query): Asked<ApplyQuery>,
    definition: Text,
) -> Result<(StatusCode, Json<Applied>), ApiError> {
    let Parsed { spec, warnings } = read(&definition)?;
    if spec.name != name {
        let message = format!("it is {}, and the path says {name}", spec.name);
        let field = ProblemField::new("name", message.clone());
        let detail = format!("the name of the stack: {message}");
        return Err(ApiError::new(ProblemCode::InvalidDefinition, detail).with_fields(vec![field]));
    }
    let warnings = warnings.iter().map(ToString::to_string);
    if query.plan {
        let mut plan = state.control.plan(&spec).await?;
        plan.warnings.extend(warnings);
        return Ok((StatusCode::OK, Json(Applied::Plan(plan))));
    }
    let options = ApplyOptions { plan_hash: query.plan_hash };
    let mut deployment = state.control.apply(spec, options, &caller.actor()).await?;
    deployment.warnings.extend(warnings);
    Ok((StatusCode::ACCEPTED, Json(Applied::Deployment(Box::new(deployment)))))
}

type Accepted = Result<(StatusCode, Json<Deployment>), ApiError>;

async fn act(state: &AppState, name: &StackName, action: DeploymentAction, volumes: bool, by: &str) -> Accepted {
    let deployment = state.control.act(name, action, volumes, by).await?;
    Ok((StatusCode::ACCEPTED, Json(deployment)))
}

/// Stops every instance of a stack.
#[utoipa::path(post, path = "/stacks/{name}/stop", tag = "stacks", params(("name" = String, Path)), responses(
    (status = 202, body = Deployment), (status = "default", body = Problem)
))]
pub(super) async fn stop_stack(State(state): State<AppState>, User(caller): User, At(name): At<StackName>) -> Accepted {
    act(&state, &name, DeploymentAction::Stop, false, &caller.actor()).await
}

/// Starts every instance of a stack.
#[utoipa::path(post, path = "/stacks/{name}/start", tag = "stacks", params(("name" = String, Path)), responses(
    (status = 202, body = Deployment), (status = "default", body = Problem)
))]
pub(super) async fn start_stack(
    State(state): State<AppState>,
    User(caller): User,
    At(name): At<StackName>,
) -> Accepted {
    act(&state, &name, DeploymentAction::Start, false, &caller.actor()).await
}

/// Restarts every instance of a stack.
#[utoipa::path(post, path = "/stacks/{name}/restart", tag = "stacks", params(("name" = String, Path)), responses(
    (status = 202, body = Deployment), (status = "default", body = Problem)
))]
pub(super) async fn restart_stack(
    State(state): State<AppState>,
    User(caller): User,
    At(name): At<StackName>,
) -> Accepted {
    act(&state, &name, DeploymentAction::Restart, false, &caller.actor()).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// Remove its named volumes too. They stay when nothing is said.
    #[serde(default)]
    remove_volumes: bool,
}

/// Removes a stack from every host; it is forgotten when all of them have confirmed.
#[utoipa::path(
    delete, path = "/stacks/{name}", tag = "stacks", params(("name" = String, Path), DeleteQuery),
    responses((status = 202, body = Deployment), (status = "default", body = Problem))
)]
pub(super) async fn delete_stack(
    State(state): State<AppState>,
    User(caller): User,
    At(name): At<StackName>,
    Asked(query): Asked<DeleteQuery>,
) -> Accepted {
    act(&state, &name, DeploymentAction::Delete, query.remove_volumes, &caller.actor()).await
}

/// The deployments of a stack, oldest first.
#[utoipa::path(
    get, path = "/stacks/{name}/deployments", tag = "stacks", params(("name" = String, Path), PageQuery),
    responses((status = 200, body = Page<Deployment>), (status = "default", body = Problem))
)]
pub(super) async fn list_deployments(
    State(state): State<AppState>,
    _: Viewer,
    At(name): At<StackName>,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<Deployment>> {
    Ok(Json(state.control.deployments(&name, query.request()?).await?))
}

/// One deployment of a stack.
#[utoipa::path(
    get, path = "/stacks/{name}/deployments/{generation}", tag = "stacks",
    params(("name" = String, Path), ("generation" = u64, Path)),
    responses((status = 200, body = Deployment), (status = "default", body = Problem))
)]
pub(super) async fn show_deployment(
    State(state): State<AppState>,
    _: Viewer,
    At((name, generation)): At<(StackName, Generation)>,
) -> Answer<Deployment> {
    Ok(Json(state.control.deployment(&name, generation).await?))
}
