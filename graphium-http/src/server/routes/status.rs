//! For an agent that polls plainly: it reads its tasks, takes one by saying `running`, and says how it ended.
//!
//! It has no session of its own, so it gets one that follows from its id, and which each of its calls renews.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use graphium_core::id::{AgentId, Attempt, ClaimId, SessionId, TaskId};
use graphium_core::store::{ClaimRequest, Report, ReportAnswer, ReportedStatus, RunningTask};
use graphium_core::task::{Progress, Task, TaskStatus, TaskView};
use sha2::{Digest, Sha256};
use uuid::Builder;

use super::Answer;
use crate::server::body::{At, Body};
use crate::server::caller::Caller;
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{Problem, ProblemCode, StatusCall};

/// The machine of an agent that does not name one.
pub(super) const PLAIN_MACHINE: &str = "plain poll";

/// The session of an agent that polls plainly.
pub(super) fn implicit_session(state: &AppState, agent: &AgentId) -> SessionId {
    let digest = Sha256::new()
        .chain_update(state.access.installation().as_uuid().as_bytes())
        .chain_update(agent.as_str())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    SessionId::from_uuid(Builder::from_custom_bytes(bytes).into_uuid())
}

/// Begins a task or says what became of it.
#[utoipa::path(
    put, path = "/tasks/{id}/status", tag = "tasks", params(("id" = String, Path)), request_body = StatusCall,
    responses((status = 200, body = TaskView), (status = "default", body = Problem))
)]
pub(super) async fn report_status(
    State(state): State<AppState>,
    caller: Caller,
    At(id): At<TaskId>,
    Body(call): Body<StatusCall>,
) -> Answer<TaskView> {
    let Caller::Agent(agent) = &caller else {
        return Err(ApiError::forbidden("only the agent of a task reports its status"));
    };
    let task = state.store.task(id).await?;
    caller.require_agent(task.agent())?;
    let session = implicit_session(&state, agent);
    let wants_it = call.status == TaskStatus::Running && task.status() == TaskStatus::Pending;
    let (attempt, progress) = (call.attempt, call.progress.clone());
    if wants_it {
        let attempt = take(&state, agent, session, &task, attempt).await?;
        report(&state, agent, session, id, attempt, ReportedStatus::Running, progress).await?;
    } else {
        report(&state, agent, session, id, attempt, call.into_report()?, progress).await?;
    }
    Ok(Json(state.store.task(id).await?.into()))
}

/// Claims the task, if nobody else has since it was read.
async fn take(
    state: &AppState,
    agent: &AgentId,
    session: SessionId,
    task: &Task,
    read: Attempt,
) -> Result<Attempt, ApiError> {
    let lost = || ApiError::new(ProblemCode::Conflict, format!("task {} cannot be taken: read it again", task.id()));
    if task.attempt != read {
        return Err(lost());
    }
    let mut request = ClaimRequest::hello(session, PLAIN_MACHINE).asking(1, Duration::ZERO);
    // A fresh id for each call: of two pollers with one agent id the second must lose.
    request.claim_id = ClaimId::generate();
    request.only = Some(task.id());
    let answer = state.store.claim(agent, request).await?;
    let claimed = answer.claims.iter().find(|claimed| claimed.task.id() == task.id());
    claimed.map(|claimed| claimed.attempt()).ok_or_else(lost)
}

async fn report(
    state: &AppState,
    agent: &AgentId,
    session: SessionId,
    task: TaskId,
    attempt: Attempt,
    status: ReportedStatus,
    progress: Option<Progress>,
) -> Result<(), ApiError> {
    let mut request = ClaimRequest::hello(session, PLAIN_MACHINE);
    if progress.is_some() && status == ReportedStatus::Running {
        request.running.push(RunningTask { task, attempt, progress });
    }
    request.reports.push(Report { task, attempt, status });
    let answer = state.store.claim(agent, request).await?;
    match answer.receipts.first().map(|receipt| receipt.answer) {
        Some(ReportAnswer::Accepted) => Ok(()),
        Some(ReportAnswer::StaleAttempt) => {
            let detail = format!("attempt {attempt} of task {task} is over: read the task again");
            Err(ApiError::new(ProblemCode::StaleAttempt, detail))
        }
        Some(ReportAnswer::UnknownTask) => Err(ApiError::not_found(format!("agent {agent} has no task {task}"))),
        None => Err(ApiError::internal(format!("the store gave no receipt for task {task}"))),
    }
}
