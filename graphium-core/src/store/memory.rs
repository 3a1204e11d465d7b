//! A store in memory: for tests, simulations and programs that embed a queue and need no disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::engine::{ClaimStep, Engine, Entry, not_found};
use super::page::{ByName, ByNumber, ByOrder, MAX_EXAMINED, check_events, check_filter, check_limit, no_place};
use super::reply::{Receiver, Reply};
use super::steady::SteadyClock;
use super::waiting::{ClaimReply, Ended, Waiting};
use super::{
    AgentStore, ClaimAnswer, ClaimRequest, EventFilter, Host, InventoryReport, MAX_PAGE, PRUNE_BATCH, Page,
    PageRequest, Pruned, Record, RecordKey, RecordKind, StoreError, StoreSettings, StoreStatus, Submission, Submitted,
    TaskFilter, TaskHistory, TaskStats, TaskStore,
};
use crate::clock::Clock;
use crate::event::Event;
use crate::id::{AgentId, Seq, TaskId};
use crate::task::Task;

/// A [`TaskStore`] that keeps everything in memory, history included, as long as it lives.
///
/// ```
/// # use std::sync::Arc;
/// use graphium_core::clock::SystemClock;
/// use graphium_core::id::AgentId;
/// use graphium_core::store::{MemoryStore, StoreSettings, Submission, TaskStore};
/// use graphium_core::task::{NewTask, TaskType};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new(Arc::new(SystemClock), StoreSettings::default());
/// let task = NewTask::new(AgentId::new("vm1")?, TaskType::Custom("backup".into()));
/// let submitted = store.submit(Submission::of("ann", [task])).await?;
/// assert_eq!(store.task(submitted.tasks[0].id()).await?.attempt.0, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    clock: SteadyClock,
    shelf: Mutex<Shelf>,
    head: watch::Sender<Seq>,
}

#[derive(Debug)]
struct Shelf {
    engine: Engine,
    waiting: Waiting,
    /// Every event that is kept, with numbers that follow on each other.
    events: VecDeque<Event>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, settings: StoreSettings) -> Self {
        Self::with_seed(clock, settings, rand::random())
    }

    /// An empty store whose backoffs are the same for the same seed.
    #[must_use]
    pub fn with_seed(clock: Arc<dyn Clock>, settings: StoreSettings, seed: u64) -> Self {
        let shelf = Shelf { engine: Engine::new(settings, seed), waiting: Waiting::default(), events: VecDeque::new() };
        Self { clock: SteadyClock::new(clock), shelf: Mutex::new(shelf), head: watch::Sender::new(Seq(0)) }
    }

    /// The engine changes nothing before it has checked everything, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing at the current instant, then serves the claims that wait.
    fn act<T>(&self, action: impl FnOnce(&mut Shelf) -> T) -> T {
        let mut shelf = self.lock();
        shelf.engine.advance(self.clock.now());
        let result = action(&mut shelf);
        let Shelf { engine, waiting, events } = &mut *shelf;
        let served = waiting.serve(engine);
        let changes = engine.take_changes();
        let gone = changes.gone.events.map_or(0, |last| events.partition_point(|event| event.seq <= last));
        events.drain(..gone);
        events.extend(changes.events);
        let head = engine.head();
        drop(shelf);
        self.publish(head, served);
        result
    }

    fn publish(&self, head: Seq, ended: Vec<Ended>) {
        ended.into_iter().for_each(Ended::send);
        self.head.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }

    /// Waits for the end of a claim; what becomes claimable by time alone is noticed here.
    async fn wait(&self, agent: &AgentId, number: u64, until: Instant, mut reply: Receiver<ClaimAnswer>) -> ClaimReply {
        loop {
            let timer = self.next_timer().map_or(until, |timer| timer.min(until));
            tokio::select! {
                biased;
                answer = &mut reply => return answer.unwrap_or_else(|_| Ok(ClaimAnswer::default())),
                () = sleep_until(timer) => {}
            }
            if Instant::now() >= until {
                let ended = self.act(|Shelf { engine, waiting, .. }| waiting.give_up(engine, agent, number));
                ended.into_iter().for_each(Ended::send);
            } else {
                self.act(|_| ());
            }
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let due = self.lock().engine.next_timer()?;
        Some(Instant::now() + due.since(self.clock.now()))
    }
}

#[async_trait]
impl AgentStore for MemoryStore {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let wait = request.wait;
        let (reply, receiver) = Reply::channel();
        let waits = self.act(|Shelf { engine, waiting, .. }| {
            let replaced = waiting.replace(engine, agent, &request);
            replaced.into_iter().for_each(Ended::send);
            match engine.claim(agent, request) {
                Ok(ClaimStep::Wait(waiter)) => {
                    let (number, crowded_out) = waiting.add(engine, waiter, reply);
                    crowded_out.into_iter().for_each(Ended::send);
                    Ok(Err(number))
                }
                Ok(ClaimStep::Answer(answer)) => Ok(Ok(answer)),
                Err(error) => Err(error),
            }
        });
        match waits? {
            Ok(answer) => Ok(answer),
            // A claim that waits was checked, and does not wait for ever.
            Err(number) => self.wait(agent, number, Instant::now() + wait, receiver).await,
        }
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.act(|shelf| shelf.engine.inventory(agent, &report))
    }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError> {
        self.act(|shelf| shelf.engine.submit(submission))
    }

    async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        self.lock().engine.entry(id).map(|entry| entry.task.clone()).ok_or_else(|| not_found(id))
    }

    async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError> {
        check_limit(page.limit)?;
        check_filter(&filter)?;
        let shelf = self.lock();
        let named = filter.ids.iter().filter_map(|id| shelf.engine.entry(*id));
        let any = shelf.engine.entries().take_while(|_| filter.ids.is_empty());
        let admitted = named.chain(any).filter(|entry| admits(&filter, &entry.task));
        if filter.claim_order {
            let after = ByOrder::after(&page)?;
            let place = |entry: &Entry| ByOrder::of(&entry.task);
            let open = admitted.filter(|entry| !entry.task.state.is_settled());
            let mut open: Vec<_> = open.filter(|entry| after.is_none_or(|after| place(entry) > after)).collect();
            open.sort_unstable_by_key(|entry| place(entry));
            return Ok(cut(&open, page.limit, |entry| place(entry).cursor()));
        }
        let after = ByNumber::after(&page)?;
        let mut found: Vec<_> =
            admitted.filter(|entry| after.is_none_or(|ByNumber(after)| entry.number < after)).collect();
        found.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.number));
        Ok(cut(&found, page.limit, |entry| ByNumber(entry.number).cursor()))
    }

    async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError> {
        let shelf = self.lock();
        shelf.engine.entry(id).ok_or_else(|| not_found(id))?;
        let attempts = shelf.engine.attempts_of(id).map(|entry| entry.record.clone()).collect();
        let newest = shelf.events.iter().rev().filter(|event| event.task_id == Some(id)).take(MAX_PAGE);
        let mut events: Vec<_> = newest.cloned().collect();
        events.reverse();
        Ok(TaskHistory { attempts, events })
    }

    async fn cancel(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.act(|shelf| shelf.engine.cancel(id, by))
    }

    async fn retry(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.act(|shelf| shelf.engine.retry(id, by))
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        Ok(self.lock().engine.records().get(key).cloned())
    }

    async fn records(&self, kind: RecordKind, prefix: &str, page: PageRequest) -> Result<Page<Record>, StoreError> {
        check_limit(page.limit)?;
        let after = ByName::after(&page)?;
        let shelf = self.lock();
        let admitted = shelf.engine.records().values().filter(|record| {
            let name = &record.key.name;
            record.key.kind == kind
                && name.starts_with(prefix)
                && after.as_ref().is_none_or(|ByName(after)| name > after)
        });
        let mut items: Vec<_> = admitted.take(page.limit + 1).cloned().collect();
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = items.last().filter(|_| more).map(|record| ByName(record.key.name.clone()).cursor());
        Ok(Page { items, next })
    }

    async fn events(&self, after: Seq, filter: EventFilter, limit: usize) -> Result<(Vec<Event>, Seq), StoreError> {
        check_events(limit)?;
        let shelf = self.lock();
        let start = shelf.events.partition_point(|event| event.seq <= after);
        let (oldest, head) = (shelf.events.front().map_or(Seq(1), |event| event.seq), shelf.engine.head());
        if after != Seq(0) && (after > head || after.0 + 1 < oldest.0) {
            return Err(no_place(after, oldest, head));
        }
        let mut found = Vec::new();
        let mut examined = after;
        let stretch = usize::try_from(MAX_EXAMINED).unwrap_or(usize::MAX);
        for event in shelf.events.range(start..).take(stretch) {
            if found.len() == limit {
                break;
            }
            examined = event.seq;
            if filter.admits(event) {
                found.push(event.clone());
            }
        }
        Ok((found, examined))
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        Ok(self.lock().engine.hosts().values().cloned().collect())
    }

    async fn stats(&self) -> Result<TaskStats, StoreError> {
        Ok(self.act(|shelf| shelf.engine.stats()))
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        Ok(self.act(|shelf| shelf.engine.sweep()))
    }

    async fn status(&self) -> Result<StoreStatus, StoreError> {
        Ok(self.lock().engine.status())
    }

    async fn confirm_restore(&self, by: &str) -> Result<StoreStatus, StoreError> {
        Ok(self.act(|shelf| shelf.engine.confirm_restore(by)))
    }

    async fn prune(&self) -> Result<Pruned, StoreError> {
        Ok(self.act(|Shelf { engine, events, .. }| {
            let mut due = engine.due_in_memory();
            let (cutoff, head) = (engine.cutoffs().events, engine.head());
            let old = |event: &&Event| event.seq < head && cutoff.is_some_and(|cutoff| event.timestamp <= cutoff);
            due.events = events.iter().take_while(old).take(PRUNE_BATCH).map(|event| event.seq).collect();
            engine.prune(due)
        }))
    }
}

fn admits(filter: &TaskFilter, task: &Task) -> bool {
    let placed = task.spec.placed.as_ref();
    let stack = placed.map(|placed| &placed.stack);
    let container = placed.and_then(|placed| placed.container.as_ref());
    (filter.statuses.is_empty() || filter.statuses.contains(&task.status()))
        && filter.task_type.as_ref().is_none_or(|wanted| *wanted == task.spec.task_type)
        && filter.agent.as_ref().is_none_or(|wanted| wanted == task.agent())
        && filter.stack.as_ref().is_none_or(|wanted| Some(wanted) == stack)
        && filter.container.as_ref().is_none_or(|wanted| Some(wanted) == container)
        && filter.since.is_none_or(|since| task.created_at >= since)
}

fn cut(found: &[&Entry], limit: usize, cursor: impl Fn(&Entry) -> super::Cursor) -> Page<Task> {
    let items: Vec<_> = found.iter().take(limit).map(|entry| entry.task.clone()).collect();
    let next = if found.len() > limit { found.get(limit - 1).map(|entry| cursor(entry)) } else { None };
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, Timestamp, TokioClock};
    use crate::id::SessionId;
    use crate::store::{Report, ReportAnswer, ReportedStatus};
    use crate::task::{Failure, FailureCode, NewTask, Outcome, TaskStatus, TaskType};

    fn vm1() -> AgentId {
        AgentId::new("vm1").unwrap()
    }

    fn backup() -> NewTask {
        NewTask::new(vm1(), TaskType::Custom("backup".into()))
    }

    #[tokio::test]
    async fn a_task_goes_from_submit_to_completed() {
        let store = MemoryStore::new(Arc::new(ManualClock::default()), StoreSettings::default());
        let id = store.submit(Submission::of("ann", [backup()])).await.unwrap().tasks[0].id();
        let mut request = ClaimRequest::hello(SessionId::generate(), "m1").asking(1, Duration::ZERO);
        let claimed = store.claim(&vm1(), request.clone()).await.unwrap().claims.remove(0);

        let status = ReportedStatus::Completed(Outcome::default());
        request.reports = vec![Report { task: id, attempt: claimed.attempt(), status }];
        let answer = store.claim(&vm1(), request).await.unwrap();

        assert_eq!(answer.receipts[0].answer, ReportAnswer::Accepted);
        assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Completed);
        assert_eq!(store.history(id).await.unwrap().events.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_claim_gets_a_retry_when_its_backoff_is_over() {
        let clock = Arc::new(TokioClock::new(Timestamp::from_micros(1_000_000)));
        let store = MemoryStore::with_seed(clock, StoreSettings::default(), 7);
        let id = store.submit(Submission::of("ann", [backup()])).await.unwrap().tasks[0].id();
        let mut request = ClaimRequest::hello(SessionId::generate(), "m1").asking(1, Duration::from_secs(20));
        let claimed = store.claim(&vm1(), request.clone()).await.unwrap().claims.remove(0);

        let status = ReportedStatus::Failed(Failure::new(FailureCode::EngineUnavailable, "no answer"));
        request.reports = vec![Report { task: id, attempt: claimed.attempt(), status }];
        let answer = store.claim(&vm1(), request).await.unwrap();

        assert_eq!(answer.claims[0].attempt(), claimed.attempt().next());
    }
}
