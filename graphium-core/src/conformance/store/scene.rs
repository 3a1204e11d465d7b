//! What the cases are told with: agents that claim and report, tasks, and looks at the store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::StoreHarness;
use crate::clock::{Clock, Timestamp};
use crate::event::Event;
use crate::id::{AgentId, ContainerName, Generation, SessionId, Slot, StackName, TaskId};
use crate::stack::{Health, Instance, InstanceState};
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, Claimed, EventFilter, Host, InventoryReport, MAX_PAGE, Report, ReportAnswer,
    ReportedStatus, RunningTask, StoreError, StoreErrorKind, Submission,
};
use crate::task::{
    CancelReason, Failure, FailureCode, Lane, NewTask, Outcome, Placed, Task, TaskState, TaskStatus, TaskType,
};

/// How long a case waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn agent(name: &str) -> AgentId {
    AgentId::new(name).unwrap()
}

pub(super) fn stack(name: &str) -> StackName {
    StackName::new(name).unwrap()
}

/// A task of agent `vm1` that any agent could do.
pub(super) fn task() -> NewTask {
    task_for("vm1")
}

pub(super) fn task_for(name: &str) -> NewTask {
    NewTask::new(agent(name), TaskType::Custom("backup".into()))
}

/// A task of a generation of stack `shop`, in the lane of its one container.
pub(super) fn task_of(generation: u64) -> NewTask {
    let container = ContainerName::new("web").unwrap();
    let mut task = task();
    task.lane = Some(Lane::instance(&task.agent, Some(&stack("shop")), &container, Slot(0)));
    task.placed = Some(Placed {
        stack: stack("shop"),
        generation: Generation(generation),
        container: Some(container),
        slot: Slot(0),
    });
    task
}

/// A task in the lane of stack `shop` on `vm1`, of no generation.
pub(super) fn task_in_lane() -> NewTask {
    let mut task = task();
    task.lane = Some(Lane::stack(&task.agent, &stack("shop")));
    task
}

pub(super) fn completed() -> ReportedStatus {
    ReportedStatus::Completed(Outcome { data: json!({ "bytes": 7 }), ..Outcome::default() })
}

pub(super) fn refused() -> ReportedStatus {
    ReportedStatus::Failed(Failure::new(FailureCode::EngineUnavailable, "the engine refused the connection"))
}

pub(super) fn broken() -> ReportedStatus {
    ReportedStatus::Failed(Failure::new(FailureCode::ImageNotFound, "there is no image nginx:nope").in_step("pull"))
}

pub(super) fn instance(id: &str) -> Instance {
    Instance {
        runtime_id: id.to_owned(),
        name: format!("shop_web_0_{id}"),
        stack: Some(stack("shop")),
        container: ContainerName::new("web").unwrap(),
        slot: Slot(0),
        generation: Generation(1),
        spec_hash: "h1".into(),
        task: None,
        image: "nginx:1".into(),
        image_digest: "sha256:1".into(),
        state: InstanceState::Running,
        health: Health::None,
        restart_count: 0,
        ports: Vec::new(),
    }
}

/// Why a task was cancelled.
pub(super) fn cancel_reason(task: &Task) -> CancelReason {
    let TaskState::Cancelled { reason, .. } = &task.state else { panic!("it is cancelled: {task:?}") };
    reason.clone()
}

/// An agent, in one life of its process.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) id: AgentId,
    pub(super) session: SessionId,
    machine: String,
    side: Arc<dyn AgentStore>,
}

impl Worker {
    /// A call that asks for nothing.
    pub(super) fn hello(&self) -> ClaimRequest {
        ClaimRequest::hello(self.session, self.machine.as_str())
    }

    pub(super) async fn try_call(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        within_patience(self.side.claim(&self.id, request)).await
    }

    pub(super) async fn call(&self, request: ClaimRequest) -> ClaimAnswer {
        self.try_call(request).await.unwrap()
    }

    pub(super) async fn claim(&self, slots: usize) -> Vec<Claimed> {
        self.call(self.hello().asking(slots, Duration::ZERO)).await.claims
    }

    pub(super) async fn claim_one(&self) -> Claimed {
        let mut claims = self.claim(1).await;
        assert_eq!(claims.len(), 1, "there is a task to claim");
        claims.remove(0)
    }

    pub(super) async fn claim_ids(&self, slots: usize) -> Vec<TaskId> {
        self.claim(slots).await.iter().map(|claimed| claimed.task.id()).collect()
    }

    pub(super) async fn report(&self, claimed: &Claimed, status: ReportedStatus) -> ReportAnswer {
        let mut request = self.hello();
        request.reports = vec![report(claimed, status)];
        let answer = self.call(request).await;
        assert_eq!(answer.receipts.len(), 1);
        answer.receipts[0].answer
    }

    /// Claims the next task and reports its end.
    pub(super) async fn work(&self, status: ReportedStatus) -> Claimed {
        let claimed = self.claim_one().await;
        assert_eq!(self.report(&claimed, status).await, ReportAnswer::Accepted);
        claimed
    }

    /// A call that lists a task as being worked on.
    pub(super) fn working_on(&self, claimed: &Claimed) -> ClaimRequest {
        let running = RunningTask { task: claimed.task.id(), attempt: claimed.attempt(), progress: None };
        ClaimRequest { running: vec![running], ..self.hello() }
    }

    pub(super) async fn observe(&self, seq: u64, instances: Vec<Instance>) -> Result<(), StoreError> {
        let engine = Some(crate::stack::EngineInfo { name: "memory".into(), ..Default::default() });
        self.observe_on(engine, seq, instances).await
    }

    pub(super) async fn observe_on(
        &self,
        engine: Option<crate::stack::EngineInfo>,
        seq: u64,
        instances: Vec<Instance>,
    ) -> Result<(), StoreError> {
        let attempts_ended = self.try_call(self.hello()).await.map_or(0, |answer| answer.attempts_ended);
        self.observe_knowing(attempts_ended, engine, seq, instances).await
    }

    /// Reports what was looked at when so many attempts were known to have ended.
    pub(super) async fn observe_knowing(
        &self,
        attempts_ended: u64,
        engine: Option<crate::stack::EngineInfo>,
        seq: u64,
        instances: Vec<Instance>,
    ) -> Result<(), StoreError> {
        let (session, machine) = (self.session, self.machine.clone());
        let report = InventoryReport { session, machine, seq, attempts_ended, engine, instances };
        within_patience(self.side.inventory(&self.id, report)).await
    }
}

pub(super) fn report(claimed: &Claimed, status: ReportedStatus) -> Report {
    Report { task: claimed.task.id(), attempt: claimed.attempt(), status }
}

async fn within_patience<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE + PATIENCE, call).await.expect("the store answers")
}

impl StoreHarness {
    /// A new life of an agent process, on machine `m1`.
    pub(super) fn worker(&self, name: &str) -> Worker {
        self.worker_on("m1", name)
    }

    pub(super) fn worker_on(&self, machine: &str, name: &str) -> Worker {
        let id = agent(name);
        let side = (self.agent_side)(&id);
        Worker { id, session: SessionId::generate(), machine: machine.into(), side }
    }

    pub(super) async fn submit(&self, tasks: impl IntoIterator<Item = NewTask>) -> Vec<TaskId> {
        let submitted = self.try_submit(tasks).await.unwrap();
        submitted.iter().map(Task::id).collect()
    }

    pub(super) async fn try_submit(&self, tasks: impl IntoIterator<Item = NewTask>) -> Result<Vec<Task>, StoreError> {
        Ok(self.store.submit(Submission::of("ann", tasks)).await?.tasks)
    }

    pub(super) async fn submit_one(&self, task: NewTask) -> TaskId {
        self.submit([task]).await[0]
    }

    pub(super) async fn refusal(&self, submission: Submission) -> StoreErrorKind {
        self.store.submit(submission).await.unwrap_err().kind()
    }

    pub(super) async fn task(&self, id: TaskId) -> Task {
        self.store.task(id).await.unwrap()
    }

    pub(super) async fn status(&self, id: TaskId) -> TaskStatus {
        self.task(id).await.status()
    }

    pub(super) async fn statuses(&self, ids: &[TaskId]) -> Vec<TaskStatus> {
        let mut statuses = Vec::new();
        for id in ids {
            statuses.push(self.status(*id).await);
        }
        statuses
    }

    pub(super) async fn log(&self) -> Vec<Event> {
        let (events, _) = self.store.events(crate::id::Seq(0), EventFilter::default(), MAX_PAGE).await.unwrap();
        events
    }

    pub(super) async fn host(&self, name: &str) -> Host {
        let hosts = self.store.hosts().await.unwrap();
        hosts.into_iter().find(|host| host.id == agent(name)).expect("the host is known")
    }

    /// Lets time pass. Work that time decides waits for the next call.
    pub(super) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does something once a claim of this agent waits: its call was taken at the present instant.
    pub(super) async fn once_waiting<T>(&self, worker: &Worker, action: impl Future<Output = T>) -> T {
        let seen = async {
            loop {
                let hosts = self.store.hosts().await.unwrap();
                if hosts.iter().any(|host| host.id == worker.id && host.last_seen_at == self.now()) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        within_patience(seen).await;
        action.await
    }
}
