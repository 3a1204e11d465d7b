//! Both stores, asked the same and compared.

use std::sync::Arc;
use std::time::Duration;

use graphium_core::clock::{Clock, ManualClock};
use graphium_core::id::{AgentId, Attempt, ClaimId, ContainerName, Generation, SessionId, Slot, StackName, TaskId};
use graphium_core::stack::{EngineInfo, Health, Instance, InstanceState};
use graphium_core::store::{
    AgentStore, ClaimRequest, Expected, HostState, InventoryReport, MemoryStore, RecordKey, RecordKind, RecordWrite,
    Report, ReportedStatus, RunningTask, SqliteStore, StoreSettings, Submission, TaskStore,
};
use graphium_core::task::{
    Failure, FailureCode, IdempotencyKey, Lane, NewTask, Outcome, Placed, Priority, Progress, TaskType,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::ask::{Ask, CallAsk, RecordAsk, ReportAsk, TaskAsk};
use crate::compare::same;

/// The model and the store that is held against it.
pub(crate) struct Pair {
    clock: Arc<ManualClock>,
    pub(crate) model: MemoryStore,
    sqlite: Option<SqliteStore>,
    folder: TempDir,
    seed: u64,
    pub(crate) tasks: Vec<TaskId>,
    /// Claims that were given, to be reported about.
    claims: Vec<(TaskId, Attempt)>,
    /// Calls that were made, to be made again.
    calls: Vec<(AgentId, ClaimRequest)>,
    submitted: Option<Submission>,
}

pub(crate) fn agent(number: u8) -> AgentId {
    AgentId::new(format!("vm{number}")).expect("a valid id")
}

pub(crate) fn shop() -> StackName {
    StackName::new("shop").expect("a valid name")
}

/// The session of an agent: the same number is the same session.
fn session(agent: u8, number: u8) -> SessionId {
    SessionId::from_uuid(Uuid::from_u64_pair(u64::from(agent) + 1, u64::from(number) + 1))
}

impl Pair {
    pub(crate) async fn open(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let model = MemoryStore::with_seed(shared, StoreSettings::default(), seed);
        let folder = TempDir::new().expect("a folder");
        let (tasks, claims, calls) = (Vec::new(), Vec::new(), Vec::new());
        let mut pair = Self { clock, model, sqlite: None, folder, seed, tasks, claims, calls, submitted: None };
        pair.open_sqlite().await;
        pair
    }

    async fn open_sqlite(&mut self) {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let path = self.folder.path().join("graphium.db");
        let store = SqliteStore::open_with_seed(&path, clock, StoreSettings::default(), self.seed).await;
        self.sqlite = Some(store.expect("the file opens"));
    }

    pub(crate) fn sqlite(&self) -> &SqliteStore {
        self.sqlite.as_ref().expect("it is open but during a reopening")
    }

    fn id(&self, back: u8) -> Option<TaskId> {
        self.tasks.len().checked_sub(1 + usize::from(back)).and_then(|index| self.tasks.get(index)).copied()
    }

    fn claim(&self, back: u8) -> Option<(TaskId, Attempt)> {
        self.claims.len().checked_sub(1 + usize::from(back)).and_then(|index| self.claims.get(index)).copied()
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) {
        match ask {
            Ask::Submit { tasks, record, supersede, forget } => {
                self.submit(tasks, record.as_ref(), *supersede, *forget).await;
            }
            Ask::SubmitAgain { fresh } => self.submit_again(*fresh).await,
            Ask::Call(ask) => {
                let (agent, request) = (agent(ask.agent), self.request(ask));
                self.calls.push((agent.clone(), request.clone()));
                self.call(&agent, request).await;
            }
            Ask::CallAgain(back) => {
                let earlier = self.calls.iter().rev().nth(usize::from(*back)).cloned();
                if let Some((agent, request)) = earlier {
                    self.call(&agent, request).await;
                }
            }
            Ask::Observe { agent, session, seq, instances } => self.observe(*agent, *session, *seq, *instances).await,
            Ask::Cancel(back) => {
                if let Some(id) = self.id(*back) {
                    same(self.model.cancel(id, "ann"), self.sqlite().cancel(id, "ann")).await;
                }
            }
            Ask::Retry(back) => {
                if let Some(id) = self.id(*back) {
                    same(self.model.retry(id, "ann"), self.sqlite().retry(id, "ann")).await;
                }
            }
            Ask::Sweep => {
                same(self.model.sweep(), self.sqlite().sweep()).await;
            }
            Ask::Prune => {
                same(self.model.prune(), self.sqlite().prune()).await;
            }
            Ask::PassDays(days) => self.clock.advance(Duration::from_secs(86_400) * u32::from(*days)),
            Ask::Pass(seconds) => self.clock.advance(Duration::from_secs(u64::from(*seconds))),
            Ask::Reopen { close } => self.reopen(*close).await,
            Ask::Compare => self.compare_everything().await,
        }
    }

    async fn submit(&mut self, tasks: &[TaskAsk], record: Option<&RecordAsk>, supersede: Option<u8>, forget: bool) {
        let mut new: Vec<NewTask> = Vec::new();
        for ask in tasks {
            let task = self.task(ask, &new);
            new.push(task);
        }
        let submission = Submission {
            records: record.map(write).into_iter().collect(),
            supersede: supersede.map(|generation| (shop(), Generation(u64::from(generation)))),
            forget: forget.then(shop),
            ..Submission::of("ann", new)
        };
        self.send(submission).await;
    }

    async fn send(&mut self, submission: Submission) {
        self.submitted = Some(submission.clone());
        let submitted = same(self.model.submit(submission.clone()), self.sqlite().submit(submission)).await;
        self.tasks.extend(submitted.into_iter().flat_map(|submitted| submitted.tasks).map(|task| task.id()));
    }

    async fn submit_again(&mut self, fresh: bool) {
        let Some(mut submission) = self.submitted.clone() else { return };
        if fresh {
            submission.tasks.iter_mut().for_each(|task| task.id = TaskId::generate());
        }
        self.send(submission).await;
    }

    /// A task; what it comes after may be of the same submission, or long settled.
    fn task(&self, ask: &TaskAsk, earlier: &[NewTask]) -> NewTask {
        let mut task = NewTask::new(agent(ask.agent), TaskType::Custom(format!("type{}", ask.agent)));
        task.priority = Priority::new(ask.priority).unwrap_or(Priority::DEFAULT);
        task.max_retries = u32::from(ask.retries);
        task.timeout = Duration::from_secs(u64::from(ask.timeout));
        task.lane = ask.lane.then(|| Lane::stack(&task.agent, &shop()));
        task.idempotency_key = ask.key.and_then(|key| IdempotencyKey::new(format!("key{key}")).ok());
        task.placed = ask.generation.map(|generation| Placed {
            stack: shop(),
            generation: Generation(u64::from(generation)),
            container: ContainerName::new("web").ok(),
            slot: Slot(0),
        });
        let known: Vec<_> = self.tasks.iter().copied().chain(earlier.iter().map(|task| task.id)).collect();
        let back = |back: &u8| known.len().checked_sub(1 + usize::from(*back)).and_then(|index| known.get(index));
        task.depends_on = ask.after.iter().filter_map(back).copied().collect();
        task
    }

    fn request(&self, ask: &CallAsk) -> ClaimRequest {
        let CallAsk { agent, session: life, machine, number, slots, claim, only, reports, running } = ask;
        let mut request = ClaimRequest::hello(session(*agent, *life), format!("m{machine}"));
        request.slots = usize::from(*slots);
        request.call = number.map(u64::from);
        request.only = only.and_then(|back| self.id(back));
        request.claim_id = ClaimId::from_uuid(Uuid::from_u64_pair(7, u64::from(*claim)));
        request.reports = reports.iter().filter_map(|report| self.report(report)).collect();
        let listed = running.iter().filter_map(|back| self.claim(*back));
        request.running = listed
            .map(|(task, attempt)| {
                let percent = u8::try_from(attempt.0 % 100).ok();
                let progress = task.as_uuid().as_u128().is_multiple_of(2).then(|| Progress {
                    step: "work".into(),
                    percent,
                    message: None,
                });
                RunningTask { task, attempt, progress }
            })
            .collect();
        request
    }

    fn report(&self, ask: &ReportAsk) -> Option<Report> {
        let (task, attempt) = self.claim(ask.claim)?;
        let status = match ask.status {
            0 => ReportedStatus::Running,
            1 | 2 => ReportedStatus::Completed(Outcome::default()),
            3 => ReportedStatus::Failed(Failure::new(FailureCode::EngineUnavailable, "no answer")),
            4 => ReportedStatus::Failed(Failure::new(FailureCode::ImageNotFound, "no such image")),
            5 => ReportedStatus::Cancelled(None),
            _ => ReportedStatus::HandedBack,
        };
        Some(Report { task, attempt, status })
    }

    async fn call(&mut self, agent: &AgentId, request: ClaimRequest) {
        let model = self.model.claim(agent, request.clone());
        let answer = same(model, self.sqlite().claim(agent, request)).await;
        for claimed in answer.into_iter().flat_map(|answer| answer.claims) {
            self.claims.push((claimed.task.id(), claimed.attempt()));
        }
    }

    async fn observe(&mut self, number: u8, life: u8, seq: u8, instances: u8) {
        let engine = (!instances.is_multiple_of(16))
            .then(|| EngineInfo { name: format!("engine{}", seq % 2), ..Default::default() });
        let report = InventoryReport {
            session: session(number, life),
            machine: "m0".into(),
            seq: u64::from(seq),
            attempts_ended: u64::from(seq),
            engine,
            instances: (0..4).filter(|bit| instances & (1 << bit) != 0).map(|bit| instance(bit, instances)).collect(),
        };
        let agent = agent(number);
        same(self.model.inventory(&agent, report.clone()), self.sqlite().inventory(&agent, report)).await;
    }

    /// Opens the file again. First every live session speaks, so that the grace after
    /// a start, which the model knows nothing of, gives nothing.
    pub(crate) async fn reopen(&mut self, close: bool) {
        same(self.model.sweep(), self.sqlite().sweep()).await;
        for host in self.model.hosts().await.expect("the model answers") {
            if host.state == HostState::Ready {
                self.call(&host.id, ClaimRequest::hello(host.session, host.machine)).await;
            }
        }
        let sqlite = self.sqlite.take().expect("it is open");
        if close {
            sqlite.close().await;
        }
        drop(sqlite);
        self.open_sqlite().await;
    }
}

fn write(ask: &RecordAsk) -> RecordWrite {
    RecordWrite {
        key: RecordKey::new(RecordKind::Token, format!("r{}", ask.name)),
        expected: ask.version.map_or(Expected::Absent, |version| Expected::Version(u64::from(version))),
        body: (!ask.delete).then(|| serde_json::json!({ "version": ask.version })),
    }
}

fn instance(bit: u8, mark: u8) -> Instance {
    Instance {
        runtime_id: format!("c{bit}"),
        name: format!("shop_web_{bit}"),
        stack: Some(shop()),
        container: ContainerName::new("web").expect("a valid name"),
        slot: Slot(u32::from(bit)),
        generation: Generation(1),
        spec_hash: "h".into(),
        task: None,
        image: "nginx".into(),
        image_digest: "sha256:1".into(),
        state: InstanceState::Running,
        health: Health::None,
        restart_count: u32::from(mark / 64),
        ports: Vec::new(),
    }
}
