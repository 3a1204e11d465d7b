//! The agent against a store whose every answer is given by the test, in paused time.

mod calls;
mod engine;
mod stopping;
mod together;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Agent, AgentConfig, AgentError};
use crate::clock::Timestamp;
use crate::deploy::{Deployer, StepContext};
use crate::execute::{Execution, Executor, ExecutorRegistry};
use crate::id::{AgentId, Attempt, SessionId, TaskId};
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, Claimed, InventoryReport, Report, ReportAnswer, ReportReceipt,
    ReportedStatus, StoreError, StoreErrorKind,
};
use crate::task::{Lease, NewTask, Outcome, Task, TaskState, TaskType};

const LEASE: Duration = Duration::from_secs(30);
/// Longer than anything an agent may take between two calls.
const DEADLINE: Duration = Duration::from_secs(120);

/// A call that waits for the test to answer it.
#[derive(Debug)]
struct Call {
    request: ClaimRequest,
    answer: oneshot::Sender<Result<ClaimAnswer, StoreError>>,
}

impl Call {
    fn answer(self, answer: ClaimAnswer) {
        let waited = ClaimAnswer { lease: LEASE, ..answer };
        self.answer.send(Ok(waited)).expect("the agent waits for this answer");
    }

    fn nothing(self) {
        self.answer(ClaimAnswer::default());
    }

    fn claims(self, tasks: impl IntoIterator<Item = Task>) {
        let deadline = Duration::from_secs(300);
        let claims = tasks.into_iter().map(|task| Claimed { task, deadline }).collect();
        self.answer(ClaimAnswer { claims, ..ClaimAnswer::default() });
    }

    fn fails(self, kind: StoreErrorKind) {
        self.answer.send(Err(StoreError::new(kind, "as scripted"))).expect("the agent waits for this answer");
    }

    /// Takes every report of the call.
    fn accepts(self) {
        let accept = |report: &Report| ReportReceipt {
            task: report.task,
            attempt: report.attempt,
            answer: ReportAnswer::Accepted,
        };
        let receipts: Vec<_> = self.request.reports.iter().map(accept).collect();
        let attempts_ended = receipts.len() as u64;
        self.answer(ClaimAnswer { receipts, attempts_ended, ..ClaimAnswer::default() });
    }
}

#[derive(Debug)]
struct ScriptedStore {
    calls: mpsc::UnboundedSender<Call>,
    inventories: mpsc::UnboundedSender<InventoryReport>,
}

#[async_trait]
impl AgentStore for ScriptedStore {
    async fn claim(&self, _agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { request, answer }).expect("the test listens");
        answered.await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, "the line was cut")))
    }

    async fn inventory(&self, _agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.inventories.send(report).expect("the test listens");
        Ok(())
    }
}

/// A running agent, and both ends of what it says.
struct Scene {
    calls: mpsc::UnboundedReceiver<Call>,
    inventories: mpsc::UnboundedReceiver<InventoryReport>,
    agent: JoinSet<Result<(), AgentError>>,
    shutdown: CancellationToken,
}

impl Scene {
    /// Starts an agent without answering its first call.
    fn start(executors: ExecutorRegistry, deployer: Option<Arc<dyn Deployer>>, slots: usize) -> Self {
        let (call_sender, calls) = mpsc::unbounded_channel();
        let (inventory_sender, inventories) = mpsc::unbounded_channel();
        let store = Arc::new(ScriptedStore { calls: call_sender, inventories: inventory_sender });
        let config = AgentConfig { slots, seed: Some(1), ..AgentConfig::new(agent_id(), "machine") };
        let shutdown = CancellationToken::new();
        let agent = Agent::new(config, store, executors, deployer).unwrap();
        let mut running = JoinSet::new();
        running.spawn(agent.run(shutdown.clone()));
        Self { calls, inventories, agent: running, shutdown }
    }

    /// An agent without an engine whose session has begun.
    async fn begun(executors: ExecutorRegistry, slots: usize) -> Self {
        let mut scene = Self::start(executors, None, slots);
        scene.call().await.nothing();
        scene
    }

    /// The next call.
    async fn call(&mut self) -> Call {
        timeout(DEADLINE, self.calls.recv()).await.expect("the agent calls in time").expect("the agent lives")
    }

    /// The next call that reports something, after waiting calls that it replaced.
    async fn report(&mut self) -> Call {
        loop {
            let call = self.call().await;
            if !call.request.reports.is_empty() {
                return call;
            }
            match call.request.wait.is_zero() {
                true => call.nothing(),
                false => call.until_dropped().await,
            }
        }
    }

    /// The next call that reports something, after calls that are answered with nothing new.
    async fn report_in_time(&mut self) -> Call {
        loop {
            let call = self.call().await;
            if !call.request.reports.is_empty() {
                return call;
            }
            if !call.answer.is_closed() {
                call.nothing();
            }
        }
    }

    /// The next call that waits for work and is not replaced by one with news.
    async fn waiting(&mut self) -> Call {
        loop {
            let mut call = self.call().await;
            if call.request.wait.is_zero() {
                assert!(call.request.reports.is_empty(), "nothing is to be reported: {:?}", call.request);
                call.nothing();
            } else if timeout(Duration::from_millis(1), call.answer.closed()).await.is_err() {
                return call;
            }
        }
    }

    /// What the next call says, which is answered with nothing new.
    async fn report_or_wait(&mut self) -> ClaimRequest {
        let call = self.call().await;
        let request = call.request.clone();
        call.answer.send(Ok(ClaimAnswer { lease: LEASE, ..ClaimAnswer::default() })).ok();
        request
    }

    async fn inventory(&mut self) -> InventoryReport {
        timeout(DEADLINE, self.inventories.recv()).await.expect("an inventory comes").expect("the agent lives")
    }

    /// How the agent ended.
    async fn end(&mut self) -> Result<(), AgentError> {
        timeout(DEADLINE, self.agent.join_next()).await.expect("the agent ends in time").unwrap().unwrap()
    }
}

impl Call {
    /// Waits until the agent does not want the answer any more.
    async fn until_dropped(mut self) {
        timeout(DEADLINE, self.answer.closed()).await.expect("the call is dropped in time");
    }
}

type Script = dyn Fn(Task, StepContext) -> BoxFuture<'static, Execution> + Send + Sync;

/// An executor that does what the test says.
struct Scripted(Box<Script>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Executor for Scripted {
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution {
        (self.0)(task.clone(), context.clone()).await
    }
}

fn executes<F, W>(script: F) -> ExecutorRegistry
where
    F: Fn(Task, StepContext) -> W + Send + Sync + 'static,
    W: Future<Output = Execution> + Send + 'static,
{
    let script: Box<Script> = Box::new(move |task, context| Box::pin(script(task, context)));
    ExecutorRegistry::default().with(work_type(), Arc::new(Scripted(script)))
}

fn agent_id() -> AgentId {
    AgentId::new("vm1").unwrap()
}

fn work_type() -> TaskType {
    TaskType::Custom("work".into())
}

fn done() -> Execution {
    Execution::Completed(Outcome::default())
}

/// A task as a store hands it out.
fn assigned(attempt: u64) -> Task {
    let (spec, attempt) = (NewTask::new(agent_id(), work_type()), Attempt(attempt));
    let session = SessionId::generate();
    let at = Timestamp::EPOCH;
    let lease = Lease { session, attempt, assigned_at: at, deadline: at, cancel: None };
    Task {
        spec: Arc::new(spec),
        created_at: at,
        ready_at: at,
        attempt,
        retry_count: 0,
        claim_id: None,
        state: TaskState::Assigned { lease },
        unreadable: None,
    }
}

fn running_ids(request: &ClaimRequest) -> Vec<TaskId> {
    request.running.iter().map(|running| running.task).collect()
}

fn only_report(request: &ClaimRequest) -> &ReportedStatus {
    let [report] = request.reports.as_slice() else { panic!("one report expected: {:?}", request.reports) };
    &report.status
}
