//! Tasks: submitted, listed, shown, retried and cancelled.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use graphium_core::clock::Timestamp;
use graphium_core::id::{AgentId, ContainerName, Generation, StackName, TaskId};
use graphium_core::stack::Stack;
use graphium_core::store::{MAX_TASKS_PER_SUBMISSION, Page, RecordKey, Submission, TaskFilter, TaskHistory, TaskStats};
use graphium_core::task::{NewTask, TaskType, TaskView};
use serde::Deserialize;
use serde_json::Value;

use super::Answer;
use crate::server::body::{Asked, At, Body, list_of, page};
use crate::server::caller::{User, Viewer};
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{MAX_TASK_IDS, Problem, ProblemCode, ProblemField, SubmitTask};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct TaskQuery {
    /// Only these tasks, separated by commas, up to 150.
    id: Option<String>,
    /// Only these statuses, separated by commas.
    status: Option<String>,
    /// Only this type.
    #[serde(rename = "type")]
    task_type: Option<TaskType>,
    /// Only of this stack.
    stack_id: Option<StackName>,
    /// Only of this agent.
    agent_id: Option<AgentId>,
    /// Only of this container spec.
    container_id: Option<ContainerName>,
    /// Only those created at or after this time.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// At most so many entries, up to 1000; 100 when nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Tasks, newest first.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(TaskQuery), responses(
    (status = 200, body = Page<TaskView>), (status = "default", body = Problem)
))]
pub(super) async fn list_tasks(
    State(state): State<AppState>,
    _: Viewer,
    Asked(query): Asked<TaskQuery>,
) -> Answer<Page<TaskView>> {
    let ids: BTreeSet<TaskId> = list_of("id", query.id.as_deref())?.into_iter().collect();
    if ids.len() > MAX_TASK_IDS {
        let message = format!("{} tasks are too many for one call: at most {MAX_TASK_IDS}", ids.len());
        return Err(ApiError::invalid("id", message));
    }
    let filter = TaskFilter {
        ids,
        statuses: list_of("status", query.status.as_deref())?,
        task_type: query.task_type,
        stack: query.stack_id,
        agent: query.agent_id,
        container: query.container_id,
        since: query.since,
        claim_order: false,
    };
    let tasks = state.store.tasks(filter, page(query.limit, query.cursor)?).await?;
    Ok(Json(tasks.map(TaskView::from)))
}

/// Submits one task, or a list of them, all or nothing. The answer has the form of the body.
#[utoipa::path(post, path = "/tasks", tag = "tasks", request_body = SubmitTask, responses(
    (status = 201, body = TaskView), (status = "default", body = Problem)
))]
pub(super) async fn submit_tasks(
    State(state): State<AppState>,
    User(caller): User,
    Body(body): Body<Value>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let many = body.is_array();
    let actor = caller.actor();
    let mut tasks = Vec::new();
    let mut latest = HashMap::new();
    for (index, body) in list(body)?.into_iter().enumerate() {
        let prefix = if many { format!("[{index}]") } else { String::new() };
        let call: SubmitTask = serde_path_to_error::deserialize(body).map_err(|error| {
            let path = join_path(&prefix, &error.path().to_string());
            ApiError::invalid(path, error.inner().to_string())
        })?;
        let generation = match call.stack() {
            Some(stack) => latest_generation(&state, stack, &mut latest).await?,
            None => None,
        };
        check_generation(&call, generation, &prefix)?;
        tasks.push(checked(call.into_task(generation, &actor), &prefix)?);
    }
    let submitted = state.store.submit(Submission::of(actor, tasks)).await?;
    let views: Vec<TaskView> = submitted.tasks.into_iter().map(TaskView::from).collect();
    let answer = if many { serde_json::to_value(views) } else { serde_json::to_value(views.into_iter().next()) };
    Ok((StatusCode::CREATED, Json(answer.map_err(ApiError::internal)?)))
}

fn list(body: Value) -> Result<Vec<Value>, ApiError> {
    let Value::Array(tasks) = body else { return Ok(vec![body]) };
    match tasks.len() {
        0 => Err(ApiError::invalid("", "the list holds no task")),
        number if number > MAX_TASKS_PER_SUBMISSION => {
            let detail = format!("{} tasks are too many for one call: at most {MAX_TASKS_PER_SUBMISSION}", tasks.len());
            Err(ApiError::new(ProblemCode::Invalid, detail))
        }
        _ => Ok(tasks),
    }
}

fn join_path(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        (prefix, "." | "") => prefix.to_owned(),
        ("", path) => path.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    }
}

fn checked(task: NewTask, prefix: &str) -> Result<NewTask, ApiError> {
    task.validate().map_err(|error| ApiError::invalid(join_path(prefix, error.field()), error.to_string()))?;
    task.task_type.check_payload(&task.payload).map_err(|error| {
        let field = ProblemField::new(join_path(prefix, "payload"), error.problem.clone());
        ApiError::new(ProblemCode::Invalid, error.to_string()).with_fields(vec![field])
    })?;
    Ok(task)
}

/// A task by itself makes no generation: a made-up one would supersede every deployment to come.
fn check_generation(call: &SubmitTask, latest: Option<Generation>, prefix: &str) -> Result<(), ApiError> {
    let Some(given) = call.generation.filter(|given| Some(*given) != latest) else { return Ok(()) };
    let message = match (call.stack(), latest) {
        (Some(stack), Some(latest)) => format!("stack {stack} is at generation {latest}, not {given}: leave it out"),
        (Some(stack), None) => format!("there is no stack {stack} to be at generation {given}: leave it out"),
        (None, _) => format!("generation {given} of which stack? Name it with stackId, or leave it out"),
    };
    let path = join_path(prefix, "generation");
    let detail = format!("{path}: {message}");
    Err(ApiError::new(ProblemCode::Conflict, detail).with_fields(vec![ProblemField::new(path, message)]))
}

/// The generation that a task of this stack belongs to; none when there is no such stack.
async fn latest_generation(
    state: &AppState,
    stack: StackName,
    known: &mut HashMap<StackName, Option<Generation>>,
) -> Result<Option<Generation>, ApiError> {
    if let Some(generation) = known.get(&stack) {
        return Ok(*generation);
    }
    let generation = match state.store.record(&RecordKey::stack(&stack)).await? {
        Some(record) => Some(serde_json::from_value::<Stack>(record.body).map_err(ApiError::internal)?.generation),
        None => None,
    };
    known.insert(stack, generation);
    Ok(generation)
}

/// Counts by status and type, queue age, and how long tasks wait and run.
#[utoipa::path(get, path = "/tasks/stats", tag = "tasks", responses(
    (status = 200, body = TaskStats), (status = "default", body = Problem)
))]
pub(super) async fn task_stats(State(state): State<AppState>, _: Viewer) -> Answer<TaskStats> {
    Ok(Json(state.store.stats().await?))
}

/// One task.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", params(("id" = String, Path)), responses(
    (status = 200, body = TaskView), (status = "default", body = Problem)
))]
pub(super) async fn show_task(State(state): State<AppState>, _: Viewer, At(id): At<TaskId>) -> Answer<TaskView> {
    let task = state.store.task(id).await?;
    let lease = task.state.lease().map(|lease| lease.session);
    let mut view = TaskView::from(task);
    if let Some(session) = lease {
        let hosts = state.store.hosts().await?;
        let holder = hosts.into_iter().find(|host| host.id == view.agent_id && host.session == session);
        view.lease_expires_at = holder.map(|host| host.lease_expires_at);
    }
    Ok(Json(view))
}

/// Every attempt of a task, and its events.
#[utoipa::path(get, path = "/tasks/{id}/history", tag = "tasks", params(("id" = String, Path)), responses(
    (status = 200, body = TaskHistory), (status = "default", body = Problem)
))]
pub(super) async fn task_history(State(state): State<AppState>, _: Viewer, At(id): At<TaskId>) -> Answer<TaskHistory> {
    Ok(Json(state.store.history(id).await?))
}

/// Tries a failed or cancelled task again, and brings back the dependants that its failure cancelled.
#[utoipa::path(post, path = "/tasks/{id}/retry", tag = "tasks", params(("id" = String, Path)), responses(
    (status = 200, body = TaskView), (status = "default", body = Problem)
))]
pub(super) async fn retry_task(
    State(state): State<AppState>,
    User(caller): User,
    At(id): At<TaskId>,
) -> Answer<TaskView> {
    Ok(Json(state.store.retry(id, &caller.actor()).await?.into()))
}

/// Cancels a task: at once when nobody works on it, else by telling its agent.
#[utoipa::path(post, path = "/tasks/{id}/cancel", tag = "tasks", params(("id" = String, Path)), responses(
    (status = 200, body = TaskView), (status = "default", body = Problem)
))]
pub(super) async fn cancel_task(
    State(state): State<AppState>,
    User(caller): User,
    At(id): At<TaskId>,
) -> Answer<TaskView> {
    Ok(Json(state.store.cancel(id, &caller.actor()).await?.into()))
}
