//! The agent's one loop call, `POST /agents/{id}/claims`, and its answer.

use graphium_core::clock::Timestamp;
use graphium_core::id::{Attempt, ClaimId, SessionId, TaskId};
use graphium_core::store::{
    ClaimAnswer, ClaimRequest, Claimed, Directive, Report, ReportAnswer, ReportReceipt, ReportedStatus, RunningTask,
};
use graphium_core::task::{CancelReason, Failure, Lane, Outcome, Progress, Task, TaskView};
use serde::{Deserialize, Serialize};

use super::{InvalidBody, LeaseFacts, Seconds, task_of};

/// The call: renews the session, brings reports, asks for work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimCall {
    /// This life of the agent process.
    pub session: SessionId,
    /// The machine it runs on.
    pub machine: String,
    /// Which loop call of its session this is, growing with each that is sent; one that arrives after a later one is
    /// refused. Absent from an agent that does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// This request for work. Repeated, it is answered with the same tasks.
    pub claim_id: ClaimId,
    /// For how many tasks there is room.
    #[serde(default)]
    pub slots: usize,
    /// How long to wait for work.
    #[serde(default)]
    pub wait_seconds: Seconds,
    /// Claim this task and no other, if it is claimable now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<TaskId>,
    /// What the agent works on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<RunningView>,
    /// What it has to report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportView>,
}

/// A task that the agent works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunningView {
    /// The task.
    pub task_id: TaskId,
    /// Under which claim.
    pub attempt: Attempt,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
#[serde(rename_all_fields = "camelCase")]
pub enum ReportView {
    /// It began.
    Running {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
    },
    /// It ended as asked.
    Completed {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
        /// The result.
        #[serde(default)]
        result: Outcome,
    },
    /// It failed.
    Failed {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
        /// Why.
        error: Failure,
    },
    /// It stopped because of a cancel.
    Cancelled {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
        /// What was undone or left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undone: Option<String>,
    },
    /// It is handed back unfinished, at no cost to the task.
    HandedBack {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
    },
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        let Report { task: task_id, attempt, status } = report;
        match status {
            ReportedStatus::Running => Self::Running { task_id, attempt },
            ReportedStatus::Completed(result) => Self::Completed { task_id, attempt, result },
            ReportedStatus::Failed(error) => Self::Failed { task_id, attempt, error },
            ReportedStatus::Cancelled(undone) => Self::Cancelled { task_id, attempt, undone },
            ReportedStatus::HandedBack => Self::HandedBack { task_id, attempt },
        }
    }
}

impl From<ReportView> for Report {
    fn from(view: ReportView) -> Self {
        let (task, attempt, status) = match view {
            ReportView::Running { task_id, attempt } => (task_id, attempt, ReportedStatus::Running),
            ReportView::Completed { task_id, attempt, result } => (task_id, attempt, ReportedStatus::Completed(result)),
            ReportView::Failed { task_id, attempt, error } => (task_id, attempt, ReportedStatus::Failed(error)),
            ReportView::Cancelled { task_id, attempt, undone } => (task_id, attempt, ReportedStatus::Cancelled(undone)),
            ReportView::HandedBack { task_id, attempt } => (task_id, attempt, ReportedStatus::HandedBack),
        };
        Self { task, attempt, status }
    }
}

impl From<ClaimRequest> for ClaimCall {
    fn from(request: ClaimRequest) -> Self {
        let running =
            |task: RunningTask| RunningView { task_id: task.task, attempt: task.attempt, progress: task.progress };
        Self {
            session: request.session,
            machine: request.machine,
            call: request.call,
            claim_id: request.claim_id,
            slots: request.slots,
            wait_seconds: request.wait.into(),
            only: request.only,
            running: request.running.into_iter().map(running).collect(),
            reports: request.reports.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<ClaimCall> for ClaimRequest {
    fn from(call: ClaimCall) -> Self {
        let running =
            |view: RunningView| RunningTask { task: view.task_id, attempt: view.attempt, progress: view.progress };
        Self {
            session: call.session,
            machine: call.machine,
            call: call.call,
            claim_id: call.claim_id,
            slots: call.slots,
            wait: call.wait_seconds.0,
            only: call.only,
            running: call.running.into_iter().map(running).collect(),
            reports: call.reports.into_iter().map(Into::into).collect(),
        }
    }
}

/// The answer: the lease, work, orders, and what became of each report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimReply {
    /// How long the session lives from the moment the request was sent.
    pub lease_seconds: Seconds,
    /// Work: begin it.
    #[serde(default)]
    pub claims: Vec<ClaimedView>,
    /// Orders about what the agent works on.
    #[serde(default)]
    pub directives: Vec<DirectiveView>,
    /// What became of each report.
    #[serde(default)]
    pub receipts: Vec<ReceiptView>,
    /// How many attempts on this host have ended, as the server knows; the next inventory says it back.
    #[serde(default)]
    pub attempts_ended: u64,
}

/// A task given to the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimedView {
    /// The task.
    pub task: TaskView,
    /// How long the attempt may take from now on.
    pub deadline_seconds: Seconds,
    /// The deadline of an attempt, exactly; the task has it in whole seconds.
    pub timeout_seconds: Seconds,
    /// Its serial key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub lane: Option<Lane>,
    /// Since when it may run.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub ready_at: Timestamp,
    /// Why it is to be cancelled, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
}

impl From<Claimed> for ClaimedView {
    fn from(claimed: Claimed) -> Self {
        let Claimed { task, deadline } = claimed;
        let cancel = task.state.lease().and_then(|lease| lease.cancel.as_ref());
        Self {
            deadline_seconds: deadline.into(),
            timeout_seconds: task.spec.timeout.into(),
            lane: task.spec.lane.clone(),
            ready_at: task.ready_at,
            cancel_reason: cancel.map(|cancel| cancel.reason.clone()),
            task: task.into(),
        }
    }
}

impl ClaimedView {
    fn into_claimed(self, session: SessionId, claim_id: ClaimId) -> Result<Claimed, InvalidBody> {
        let facts = LeaseFacts {
            session,
            claim_id,
            lane: self.lane,
            ready_at: self.ready_at,
            timeout: self.timeout_seconds.0,
            cancel_reason: self.cancel_reason,
        };
        let task: Task = task_of(self.task, facts)?;
        Ok(Claimed { task, deadline: self.deadline_seconds.0 })
    }
}

/// An order to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "directive", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum DirectiveView {
    /// Stop working on it, undo what can be undone, report what came of it.
    Cancel {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
        /// Why.
        why: CancelReason,
    },
    /// It is not yours any more: stop at once, report nothing.
    Lost {
        /// The task.
        task_id: TaskId,
        /// Under which claim.
        attempt: Attempt,
    },
}

impl From<Directive> for DirectiveView {
    fn from(directive: Directive) -> Self {
        match directive {
            Directive::Cancel { task, attempt, reason } => Self::Cancel { task_id: task, attempt, why: reason },
            Directive::Lost { task, attempt } => Self::Lost { task_id: task, attempt },
        }
    }
}

impl From<DirectiveView> for Directive {
    fn from(view: DirectiveView) -> Self {
        match view {
            DirectiveView::Cancel { task_id, attempt, why } => Self::Cancel { task: task_id, attempt, reason: why },
            DirectiveView::Lost { task_id, attempt } => Self::Lost { task: task_id, attempt },
        }
    }
}

/// What the server made of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    /// The task.
    pub task_id: TaskId,
    /// Under which claim.
    pub attempt: Attempt,
    /// `accepted`, `stale_attempt` or `unknown_task`. Each ends the duty to report.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub answer: ReportAnswer,
}

impl From<ClaimAnswer> for ClaimReply {
    fn from(answer: ClaimAnswer) -> Self {
        let receipt = |receipt: ReportReceipt| ReceiptView {
            task_id: receipt.task,
            attempt: receipt.attempt,
            answer: receipt.answer,
        };
        Self {
            lease_seconds: answer.lease.into(),
            claims: answer.claims.into_iter().map(Into::into).collect(),
            directives: answer.directives.into_iter().map(Into::into).collect(),
            receipts: answer.receipts.into_iter().map(receipt).collect(),
            attempts_ended: answer.attempts_ended,
        }
    }
}

impl ClaimReply {
    /// The answer as a store gives it, to the request that was sent.
    ///
    /// # Errors
    /// [`InvalidBody`] for a task that lacks what its status promises.
    pub fn into_answer(self, session: SessionId, claim_id: ClaimId) -> Result<ClaimAnswer, InvalidBody> {
        let receipt =
            |view: ReceiptView| ReportReceipt { task: view.task_id, attempt: view.attempt, answer: view.answer };
        let claims = self.claims.into_iter().map(|claim| claim.into_claimed(session, claim_id));
        Ok(ClaimAnswer {
            lease: self.lease_seconds.0,
            claims: claims.collect::<Result<_, _>>()?,
            directives: self.directives.into_iter().map(Into::into).collect(),
            receipts: self.receipts.into_iter().map(receipt).collect(),
            attempts_ended: self.attempts_ended,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use graphium_core::id::{AgentId, ContainerName, Generation, Slot, StackName};
    use graphium_core::task::{CancelRequest, Lease, NewTask, Placed, TaskState, TaskType};

    use super::*;

    fn held() -> Task {
        let agent = AgentId::new("vm1").unwrap();
        let (stack, container) = (StackName::new("shop").unwrap(), ContainerName::new("web").unwrap());
        let mut spec = NewTask::new(agent.clone(), TaskType::Deploy).with_payload(serde_json::json!({ "a": 1 }));
        spec.lane = Some(Lane::instance(&agent, Some(&stack), &container, Slot(2)));
        spec.placed = Some(Placed { stack, generation: Generation(7), container: Some(container), slot: Slot(2) });
        spec.timeout = Duration::from_millis(1500);
        let at = Timestamp::from_micros(1_767_225_600_123_456);
        let reason = CancelReason::Superseded { by: Generation(8) };
        let lease = Lease {
            session: SessionId::generate(),
            attempt: Attempt(3),
            assigned_at: at,
            deadline: at.after(Duration::from_millis(1500)),
            cancel: Some(CancelRequest { at, reason }),
        };
        Task {
            spec: spec.into(),
            created_at: at,
            ready_at: at,
            attempt: Attempt(3),
            retry_count: 1,
            claim_id: Some(ClaimId::generate()),
            state: TaskState::Running { lease, started_at: at, progress: None },
            unreadable: None,
        }
    }

    #[test]
    fn a_held_task_reaches_the_agent_exactly_as_the_store_has_it() {
        let task = held();
        let (session, claim_id) = (task.state.lease().unwrap().session, task.claim_id.unwrap());
        let answer = ClaimAnswer {
            lease: Duration::from_secs(30),
            claims: vec![Claimed { task, deadline: Duration::from_millis(1234) }],
            directives: vec![Directive::Lost { task: TaskId::generate(), attempt: Attempt(1) }],
            receipts: vec![ReportReceipt {
                task: TaskId::generate(),
                attempt: Attempt(1),
                answer: ReportAnswer::StaleAttempt,
            }],
            attempts_ended: 17,
        };
        let text = serde_json::to_string(&ClaimReply::from(answer.clone())).unwrap();
        let read: ClaimReply = serde_json::from_str(&text).unwrap();
        assert_eq!(read.into_answer(session, claim_id).unwrap(), answer);
    }

    #[test]
    fn every_report_survives_the_wire() {
        let (task, attempt) = (TaskId::generate(), Attempt(2));
        let failure = Failure::new(graphium_core::task::FailureCode::Lost, "gone");
        for status in [
            ReportedStatus::Running,
            ReportedStatus::Completed(Outcome { data: serde_json::json!({ "n": 1 }), ..Outcome::default() }),
            ReportedStatus::Failed(failure),
            ReportedStatus::Cancelled(Some("removed it".into())),
            ReportedStatus::HandedBack,
        ] {
            let report = Report { task, attempt, status };
            let text = serde_json::to_string(&ReportView::from(report.clone())).unwrap();
            assert_eq!(Report::from(serde_json::from_str::<ReportView>(&text).unwrap()), report);
        }
    }

    #[test]
    fn a_task_that_nobody_holds_is_no_claim() {
        let mut view = ClaimedView::from(Claimed { task: held(), deadline: Duration::ZERO });
        view.task.status = graphium_core::task::TaskStatus::Pending;
        let error = view.into_claimed(SessionId::generate(), ClaimId::generate()).unwrap_err();
        assert_eq!(error.field, "status");
    }
}
