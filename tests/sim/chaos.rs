//! A run: first everything goes wrong, then nothing does, and what was acknowledged must settle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use graphium_core::clock::{Timestamp, TokioClock};
use graphium_core::event::Event;
use graphium_core::id::{AgentId, ContainerName, Generation, Seq, Slot, StackName, TaskId};
use graphium_core::store::{
    EventFilter, MAX_PAGE, MemoryStore, PageRequest, StoreSettings, Submission, TaskFilter, TaskStore,
};
use graphium_core::task::{IdempotencyKey, Lane, NewTask, Placed, Priority, Task};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::fleet::{ELSEWHERE, Fleet};
use crate::line::Line;
use crate::record::{Log, Recorder, Story};
use crate::script;

/// How long everything goes wrong.
const SAFETY: Duration = Duration::from_secs(240);
/// How long what was acknowledged may take to settle once nothing goes wrong any more.
const LIVENESS: Duration = Duration::from_secs(3600);
/// How long a caller waits for the answer to a submit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who submits, cancels and retries.
pub(crate) const USER: &str = "chaos";

/// Everything of a run.
struct World {
    rng: StdRng,
    store: Arc<MemoryStore>,
    line: Arc<Line>,
    recorder: Arc<Recorder>,
    fleet: Fleet,
    generations: BTreeMap<StackName, Generation>,
    /// Submissions that were not answered: the same is asked again.
    unanswered: Vec<Submission>,
    number: u64,
}

/// Runs a seed to its end.
pub(crate) async fn run(seed: u64) -> Story {
    let clock = TokioClock::new(Timestamp::from_micros(1_767_225_600_000_000));
    let store = Arc::new(MemoryStore::with_seed(Arc::new(clock), StoreSettings::default(), seed));
    let line = Arc::new(Line::new(Arc::<MemoryStore>::clone(&store), seed));
    let recorder = Arc::new(Recorder::default());
    let mut rng = StdRng::seed_from_u64(seed);
    let agents = (1..=rng.random_range(1..=4)).map(|n| AgentId::new(format!("vm{n}")).unwrap()).collect();
    let fleet = Fleet::new(Arc::clone(&line), Arc::clone(&recorder), agents, seed);
    let followed = Arc::new(Mutex::new(Vec::new()));
    let mut servers = JoinSet::new();
    servers.spawn(sweep(Arc::clone(&store)));
    servers.spawn(follow(Arc::clone(&store), Arc::clone(&followed)));

    let generations = BTreeMap::new();
    let mut world = World { rng, store, line, recorder, fleet, generations, unanswered: Vec::new(), number: 0 };
    world.safety().await;
    let stuck = world.liveness().await;
    let World { store, line, recorder, fleet, .. } = world;
    let mut complaints = fleet.finish().await;
    complaints.extend(stuck);
    drop(servers);
    let mut log = read(&store).await;
    (log.followed, log.handed_back, log.complaints) =
        (followed.lock().unwrap().clone(), line.handed_back(), complaints);
    recorder.story(log)
}

/// What a server does beside answering.
async fn sweep(store: Arc<MemoryStore>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        store.sweep().await.unwrap();
    }
}

/// Reads the log as it grows.
async fn follow(store: Arc<MemoryStore>, followed: Arc<Mutex<Vec<Seq>>>) {
    let (mut head, mut after) = (store.head(), Seq(0));
    loop {
        let (events, last) = store.events(after, EventFilter::default(), 7).await.unwrap();
        if events.is_empty() {
            head.changed().await.unwrap();
        }
        followed.lock().unwrap().extend(events.iter().map(|event| event.seq));
        after = last;
    }
}

/// The whole log and every task.
async fn read(store: &MemoryStore) -> Log {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Seq(0), |event| event.seq);
        let (more, _) = store.events(after, EventFilter::default(), MAX_PAGE).await.unwrap();
        if more.is_empty() {
            break;
        }
        events.extend(more);
    }
    let (mut tasks, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.tasks(TaskFilter::default(), PageRequest { limit: MAX_PAGE, after }).await.unwrap();
        tasks.extend(page.items.into_iter().map(|task| (task.id(), task)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Log { events, tasks, ..Log::default() }
}

impl World {
    async fn safety(&mut self) {
        let end = Instant::now() + SAFETY;
        self.fleet.start_all();
        while Instant::now() < end {
            self.something_happens().await;
            sleep(Duration::from_millis(self.rng.random_range(1..5_000))).await;
        }
    }

    /// Answers with what has not settled.
    async fn liveness(&mut self) -> Vec<String> {
        self.line.store.heal();
        self.submit_again().await;
        let end = Instant::now() + LIVENESS;
        loop {
            self.fleet.start_all();
            let mut open = Vec::new();
            for id in self.recorder.acknowledged() {
                match self.store.task(id).await {
                    Ok(task) if task.state.is_settled() => {}
                    Ok(task) => open.push(format!("task {id} did not settle: {:?}", task.state)),
                    Err(error) => open.push(format!("task {id} was acknowledged and is gone: {error}")),
                }
            }
            if open.is_empty() || Instant::now() > end {
                return open;
            }
            sleep(Duration::from_secs(10)).await;
        }
    }

    async fn something_happens(&mut self) {
        let agent = self.fleet.agents().choose(&mut self.rng).unwrap().clone();
        match self.rng.random_range(0..24) {
            0..10 => self.submit().await,
            10..12 => self.submit_again().await,
            12..14 => self.cancel().await,
            14 => self.retry().await,
            15..17 => self.fleet.kill(&agent),
            17 => self.fleet.stop(&agent).await,
            18 if self.rng.random_bool(0.5) => self.fleet.double(&agent),
            19 => self.fleet.intrude(&agent),
            20..23 => self.cut(&agent),
            _ => self.fleet.start(&agent),
        }
    }

    async fn submit(&mut self) {
        let tasks = self.draw_tasks();
        self.send(Submission::of(USER, tasks)).await;
    }

    async fn submit_again(&mut self) {
        for submission in std::mem::take(&mut self.unanswered) {
            self.send(submission).await;
        }
    }

    async fn send(&mut self, submission: Submission) {
        let answer = timeout(PATIENCE, self.line.store.submit(submission.clone())).await;
        match answer {
            Ok(Ok(submitted)) => self.recorder.acknowledge(submitted.tasks.iter().map(Task::id)),
            Ok(Err(error)) if !error.is_retryable() => {}
            Ok(Err(_)) | Err(_) => self.unanswered.push(submission),
        }
    }

    /// A few tasks: of a stack and its lanes, or bare ones that depend on each other.
    fn draw_tasks(&mut self) -> Vec<NewTask> {
        let stack =
            self.rng.random_bool(0.6).then(|| StackName::new(format!("s{}", self.rng.random_range(0..3))).unwrap());
        let generation = stack.as_ref().map(|stack| {
            let generation = self.generations.entry(stack.clone()).or_default();
            if self.rng.random_bool(0.7) || generation.0 == 0 {
                *generation = generation.next();
            }
            *generation
        });
        let mut tasks: Vec<NewTask> = Vec::new();
        for _ in 0..self.rng.random_range(1..8) {
            let mut task = self.draw_task();
            if let (Some(stack), Some(generation)) = (&stack, generation) {
                let container = ContainerName::new(format!("c{}", self.rng.random_range(0..2))).unwrap();
                task.lane = Some(Lane::instance(&task.agent, Some(stack), &container, Slot(0)));
                task.placed =
                    Some(Placed { stack: stack.clone(), generation, container: Some(container), slot: Slot(0) });
            } else if let Some(earlier) = tasks.choose(&mut self.rng).filter(|_| self.rng.random_bool(0.4)) {
                task.depends_on.push(earlier.id);
            }
            tasks.push(task);
        }
        tasks
    }

    fn draw_task(&mut self) -> NewTask {
        self.number += 1;
        let agent = self.fleet.agents().choose(&mut self.rng).unwrap().clone();
        let mut task = NewTask::new(agent, script::work()).with_payload(script::draw(&mut self.rng));
        task.id = TaskId::from_uuid(Uuid::from_u128(u128::from(self.number)));
        task.priority = Priority::new(self.rng.random_range(0..=10)).unwrap();
        task.max_retries = self.rng.random_range(0..4);
        task.timeout = Duration::from_secs(self.rng.random_range(5..60));
        task.idempotency_key = Some(IdempotencyKey::new(format!("k{}", self.number)).unwrap());
        task
    }

    /// Cuts one of the machines that serve an agent, often for longer than a lease.
    fn cut(&mut self, agent: &AgentId) {
        let machine = if self.rng.random_bool(0.7) { agent.as_str() } else { ELSEWHERE };
        self.line.store.cut(agent, machine, Duration::from_millis(self.rng.random_range(0..90_000)));
    }

    async fn cancel(&mut self) {
        if let Some(id) = self.recorder.acknowledged().choose(&mut self.rng) {
            // A settled task refuses: that is its right.
            self.store.cancel(*id, USER).await.ok();
        }
    }

    async fn retry(&mut self) {
        if let Some(id) = self.recorder.acknowledged().choose(&mut self.rng)
            && self.store.retry(*id, USER).await.is_ok()
        {
            self.recorder.retry(*id);
        }
    }
}
