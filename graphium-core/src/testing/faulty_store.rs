//! A store behind a bad line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{Fault, FaultPlan};
use crate::event::Event;
use crate::id::{AgentId, Seq, TaskId};
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, EventFilter, Host, InventoryReport, Page, PageRequest, Pruned, Record,
    RecordKey, RecordKind, StoreError, StoreErrorKind, StoreStatus, Submission, Submitted, TaskFilter, TaskHistory,
    TaskStats, TaskStore,
};
use crate::task::Task;

/// How long it takes until a caller hears that its call is lost.
const NOTICE: Duration = Duration::from_millis(50);

/// A store that loses, delays and repeats calls as a [`FaultPlan`] says. A caller that hears of it hears
/// [`StoreErrorKind::Unavailable`], and cannot know whether its call has happened.
///
/// Whoever talks to a store must be right in spite of all of it. Under tokio's paused time delays cost nothing.
///
/// ```
/// # use std::sync::Arc;
/// use graphium_core::clock::ManualClock;
/// use graphium_core::id::AgentId;
/// use graphium_core::store::{MemoryStore, StoreErrorKind, StoreSettings, Submission, TaskStore};
/// use graphium_core::task::{IdempotencyKey, NewTask, TaskType};
/// use graphium_core::testing::{Fault, FaultPlan, FaultyStore};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::default()), StoreSettings::default()));
/// let line = FaultyStore::new(store, FaultPlan::scripted([Fault::LoseAnswer]));
/// let mut task = NewTask::new(AgentId::new("vm1")?, TaskType::Custom("backup".into()));
/// task.idempotency_key = Some(IdempotencyKey::new("tonight")?);
///
/// let lost = line.submit(Submission::of("ann", [task.clone()])).await.unwrap_err();
/// assert_eq!(lost.kind(), StoreErrorKind::Unavailable);
/// // It happened all the same, and asking again makes no second one.
/// line.submit(Submission::of("ann", [task.clone()])).await?;
/// assert_eq!(line.tasks(Default::default(), Default::default()).await?.items.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn TaskStore>,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    plan: FaultPlan,
    cut_until: BTreeMap<(AgentId, String), Instant>,
    lingering: BTreeMap<AgentId, ClaimRequest>,
    faults: usize,
}

impl FaultyStore {
    /// This store behind a line with these faults.
    #[must_use]
    pub fn new(inner: Arc<dyn TaskStore>, plan: FaultPlan) -> Self {
        let line = Line { plan, cut_until: BTreeMap::new(), lingering: BTreeMap::new(), faults: 0 };
        Self { inner, line: Mutex::new(line) }
    }

    /// From now on everything goes through.
    pub fn heal(&self) {
        let mut line = self.lock();
        line.plan = FaultPlan::scripted([]);
        line.cut_until.clear();
        line.lingering.clear();
    }

    /// Nothing that this agent says from this machine goes through for so long.
    pub fn cut(&self, agent: &AgentId, machine: &str, lasts: Duration) {
        self.lock().cut_until.insert((agent.clone(), machine.to_owned()), Instant::now() + lasts);
    }

    /// How many calls have met a fault.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.lock().faults
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) -> Fault {
        let mut line = self.lock();
        let fault = line.plan.draw();
        line.note(fault)
    }

    fn draw_for(&self, agent: &AgentId, machine: &str) -> Fault {
        let mut line = self.lock();
        let until = line.cut_until.get(&(agent.clone(), machine.to_owned()));
        let is_cut = until.is_some_and(|until| Instant::now() < *until);
        let fault = if is_cut { line.plan.draw_cut() } else { line.plan.draw() };
        line.note(fault)
    }

    /// Lets a call meet what the plan has for it.
    async fn pass<T, C>(&self, call: impl Fn() -> C + Send + Sync) -> Result<T, StoreError>
    where
        T: Send,
        C: Future<Output = Result<T, StoreError>> + Send,
    {
        meet(self.draw(), call).await
    }
}

impl Line {
    fn note(&mut self, fault: Fault) -> Fault {
        self.faults += usize::from(fault != Fault::None);
        fault
    }
}

async fn meet<T, C>(fault: Fault, call: impl Fn() -> C + Send + Sync) -> Result<T, StoreError>
where
    T: Send,
    C: Future<Output = Result<T, StoreError>> + Send,
{
    match fault {
        Fault::None | Fault::Linger => call().await,
        Fault::LoseCall => lost().await,
        Fault::LoseAnswer => {
            drop(call().await);
            lost().await
        }
        Fault::Delay { there, back } => {
            sleep(there).await;
            let answer = call().await;
            sleep(back).await;
            answer
        }
        Fault::Repeat => {
            drop(call().await);
            call().await
        }
        Fault::Hang => std::future::pending().await,
    }
}

async fn lost<T>() -> Result<T, StoreError> {
    sleep(NOTICE).await;
    Err(StoreError::new(StoreErrorKind::Unavailable, "the line lost it"))
}

#[async_trait]
impl AgentStore for FaultyStore {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let fault = self.draw_for(agent, &request.machine);
        let late = {
            let mut line = self.lock();
            let late = line.lingering.remove(agent);
            if fault == Fault::Linger {
                line.lingering.insert(agent.clone(), ClaimRequest { wait: Duration::ZERO, ..request.clone() });
            }
            late
        };
        if let Some(late) = late {
            drop(self.inner.claim(agent, late).await);
        }
        meet(fault, || self.inner.claim(agent, request.clone())).await
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        let fault = self.draw_for(agent, &report.machine);
        meet(fault, || self.inner.inventory(agent, report.clone())).await
    }
}

#[async_trait]
impl TaskStore for FaultyStore {
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError> {
        self.pass(|| self.inner.submit(submission.clone())).await
    }

    async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        self.pass(|| self.inner.task(id)).await
    }

    async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError> {
        self.pass(|| self.inner.tasks(filter.clone(), page.clone())).await
    }

    async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError> {
        self.pass(|| self.inner.history(id)).await
    }

    async fn cancel(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.pass(|| self.inner.cancel(id, by)).await
    }

    async fn retry(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.pass(|| self.inner.retry(id, by)).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        self.pass(|| self.inner.record(key)).await
    }

    async fn records(&self, kind: RecordKind, prefix: &str, page: PageRequest) -> Result<Page<Record>, StoreError> {
        self.pass(|| self.inner.records(kind, prefix, page.clone())).await
    }

    async fn events(&self, after: Seq, filter: EventFilter, limit: usize) -> Result<(Vec<Event>, Seq), StoreError> {
        self.pass(|| self.inner.events(after, filter.clone(), limit)).await
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.inner.head()
    }

    async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        self.pass(|| self.inner.hosts()).await
    }

    async fn stats(&self) -> Result<TaskStats, StoreError> {
        self.pass(|| self.inner.stats()).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.pass(|| self.inner.sweep()).await
    }

    async fn prune(&self) -> Result<Pruned, StoreError> {
        self.pass(|| self.inner.prune()).await
    }

    async fn status(&self) -> Result<StoreStatus, StoreError> {
        self.pass(|| self.inner.status()).await
    }

    async fn confirm_restore(&self, by: &str) -> Result<StoreStatus, StoreError> {
        self.pass(|| self.inner.confirm_restore(by)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::id::SessionId;
    use crate::store::{MemoryStore, StoreSettings};
    use crate::task::{NewTask, TaskStatus, TaskType};

    fn vm1() -> AgentId {
        AgentId::new("vm1").unwrap()
    }

    fn behind(faults: impl IntoIterator<Item = Fault>) -> (Arc<MemoryStore>, FaultyStore) {
        let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::default()), StoreSettings::default()));
        let line = FaultyStore::new(Arc::<MemoryStore>::clone(&store), FaultPlan::scripted(faults));
        (store, line)
    }

    fn task() -> Submission {
        Submission::of("ann", [NewTask::new(vm1(), TaskType::Custom("backup".into()))])
    }

    async fn tasks(store: &MemoryStore) -> usize {
        store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_call_has_not_happened_and_a_lost_answer_has() {
        let (store, line) = behind([Fault::LoseCall, Fault::LoseAnswer]);
        for happened in [0, 1] {
            assert_eq!(line.submit(task()).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
            assert_eq!(tasks(&store).await, happened);
        }
        line.submit(task()).await.unwrap();
        assert_eq!((tasks(&store).await, line.faults()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_call_takes_its_time_and_a_hanging_one_never_ends() {
        let (there, back) = (Duration::from_secs(3), Duration::from_secs(4));
        let (_store, line) = behind([Fault::Delay { there, back }, Fault::Hang]);
        let asked = Instant::now();
        line.submit(task()).await.unwrap();
        assert_eq!(asked.elapsed(), there + back);
        assert!(tokio::time::timeout(Duration::from_secs(3600), line.sweep()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeated_call_happens_twice() {
        let (store, line) = behind([Fault::Repeat]);
        let error = line.submit(task()).await.unwrap_err();
        assert_eq!((error.kind(), tasks(&store).await), (StoreErrorKind::Conflict, 1), "the id is known by then");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lingering_call_arrives_again_before_the_next_one() {
        let (store, line) = behind([Fault::None, Fault::Linger]);
        let id = line.submit(task()).await.unwrap().tasks[0].id();
        let first = ClaimRequest::hello(SessionId::generate(), "m1");
        line.claim(&vm1(), first).await.unwrap();
        let second = SessionId::generate();
        line.claim(&vm1(), ClaimRequest::hello(second, "m1")).await.unwrap();

        assert_eq!(store.hosts().await.unwrap()[0].session, second, "the late one changed nothing that lasts");
        assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_line_is_silent_until_it_is_over_or_healed() {
        let (_store, line) = behind([]);
        let hello = || ClaimRequest::hello(SessionId::generate(), "m1");
        line.cut(&vm1(), "m1", Duration::from_secs(60));
        assert!(line.claim(&vm1(), hello()).await.is_err());
        assert!(line.claim(&AgentId::new("vm2").unwrap(), hello()).await.is_ok());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(line.claim(&vm1(), hello()).await.is_ok());

        line.cut(&vm1(), "m1", Duration::from_secs(60));
        line.heal();
        assert!(line.claim(&vm1(), hello()).await.is_ok());
    }
}
