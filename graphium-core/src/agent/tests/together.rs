//! The agent with a real store and an engine in memory: what a caller of the whole sees.

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::clock::TokioClock;
use crate::deploy::{EngineDeployer, HostIdentity, MemoryImage, MemoryRuntime};
use crate::id::InstallationId;
use crate::stack::{Instance, InstanceState};
use crate::store::{MemoryStore, StoreSettings, Submission, TaskStore};
use crate::task::TaskStatus;

/// A store, and the agent's lives.
struct Place {
    store: Arc<MemoryStore>,
    lives: JoinSet<Result<(), AgentError>>,
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(TokioClock::new(Timestamp::EPOCH));
        Self { store: Arc::new(MemoryStore::new(clock, StoreSettings::default())), lives: JoinSet::new() }
    }

    /// Begins a life of the agent, which the token stops.
    fn live(
        &mut self,
        slots: usize,
        executors: ExecutorRegistry,
        deployer: Option<Arc<dyn Deployer>>,
    ) -> CancellationToken {
        let config = AgentConfig { slots, ..AgentConfig::new(agent_id(), "machine") };
        let store = Arc::<MemoryStore>::clone(&self.store);
        let (agent, shutdown) = (Agent::new(config, store, executors, deployer).unwrap(), CancellationToken::new());
        self.lives.spawn(agent.run(shutdown.clone()));
        shutdown
    }

    async fn submit(&self, task: NewTask) -> TaskId {
        self.store.submit(Submission::of("ann", [task])).await.unwrap().tasks[0].id()
    }

    /// Waits until the task is as wanted.
    async fn reaches(&self, id: TaskId, status: TaskStatus) -> Task {
        let mut head = self.store.head();
        let reached = async {
            loop {
                let task = self.store.task(id).await.unwrap();
                if task.status() == status {
                    return task;
                }
                head.changed().await.unwrap();
            }
        };
        timeout(DEADLINE, reached).await.unwrap_or_else(|_| panic!("task {id} does not become {status}"))
    }

    /// Waits until the store's picture of the host shows this.
    async fn shows(&self, wanted: fn(&[Instance]) -> bool) {
        let mut head = self.store.head();
        let shown = async {
            while !self.store.hosts().await.unwrap().iter().any(|host| host.engine.is_some() && wanted(&host.instances))
            {
                head.changed().await.unwrap();
            }
        };
        timeout(DEADLINE, shown).await.expect("the host shows it in time");
    }
}

fn task() -> NewTask {
    NewTask::new(agent_id(), work_type())
}

/// The first attempt goes on until it is told to stop, every other is done at once.
fn slow_at_first() -> ExecutorRegistry {
    executes(|task, context| async move {
        if task.attempt == Attempt(1) {
            context.cancel.cancelled().await;
            return Execution::Cancelled(None);
        }
        done()
    })
}

#[tokio::test(start_paused = true)]
async fn a_restart_takes_over_at_once_and_unfinished_tasks_run_again_under_a_new_attempt() {
    let mut place = Place::new();
    let id = place.submit(task()).await;
    place.live(1, slow_at_first(), None);
    place.reaches(id, TaskStatus::Running).await;

    place.lives.shutdown().await;
    let restarted = Instant::now();
    place.live(1, slow_at_first(), None);
    let task = place.reaches(id, TaskStatus::Completed).await;
    assert_eq!((task.attempt, task.retry_count), (Attempt(2), 1));
    assert!(restarted.elapsed() < Duration::from_secs(1), "{:?}", restarted.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_hands_back_at_no_cost_to_the_task() {
    let mut place = Place::new();
    let id = place.submit(task()).await;
    let stop = place.live(1, slow_at_first(), None);
    place.reaches(id, TaskStatus::Running).await;

    stop.cancel();
    place.lives.join_next().await.unwrap().unwrap().unwrap();
    let task = place.store.task(id).await.unwrap();
    assert_eq!((task.status(), task.attempt, task.retry_count), (TaskStatus::Pending, Attempt(1), 0));

    place.live(1, slow_at_first(), None);
    assert_eq!(place.reaches(id, TaskStatus::Completed).await.retry_count, 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_the_older_ends_and_the_work_goes_on_in_the_newer() {
    let mut place = Place::new();
    let id = place.submit(task()).await;
    place.live(1, slow_at_first(), None);
    place.reaches(id, TaskStatus::Running).await;

    place.live(1, slow_at_first(), None);
    place.reaches(id, TaskStatus::Completed).await;
    let end = timeout(DEADLINE, place.lives.join_next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(end, Err(AgentError::TakenOver { .. })), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_an_agent_without_a_free_slot_within_two_seconds() {
    let mut place = Place::new();
    let id = place.submit(task()).await;
    place.live(1, slow_at_first(), None);
    place.reaches(id, TaskStatus::Running).await;

    let asked = Instant::now();
    place.store.cancel(id, "ann").await.unwrap();
    place.reaches(id, TaskStatus::Cancelled).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_deployed_and_what_ends_by_itself_appears_in_the_stores_picture() {
    let engine = Arc::new(MemoryRuntime::new());
    engine.load("web:1", MemoryImage::server());
    let owner = HostIdentity { installation: InstallationId::generate(), host: agent_id() };
    let deployer: Arc<dyn Deployer> = Arc::new(EngineDeployer::new(Arc::<MemoryRuntime>::clone(&engine), owner));
    let mut place = Place::new();
    place.live(1, ExecutorRegistry::builtin(Arc::clone(&deployer)), Some(deployer));
    place.shows(<[Instance]>::is_empty).await;

    let payload = json!({ "containerSpec": { "name": "web", "image": "web:1" } });
    let id = place.submit(NewTask::new(agent_id(), TaskType::Deploy).with_payload(payload)).await;
    place.reaches(id, TaskStatus::Completed).await;
    place.shows(|instances| instances.iter().any(Instance::is_good)).await;

    let name = place.store.hosts().await.unwrap()[0].instances[0].name.clone();
    let ended = Instant::now();
    assert!(engine.end_process(&name, 3));
    place.shows(|instances| instances[0].state == InstanceState::Exited { exit_code: 3 }).await;
    assert!(ended.elapsed() < Duration::from_secs(1), "{:?}", ended.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_sleeps_takes_no_work_and_does_it_when_it_wakes() {
    let engine = Arc::new(MemoryRuntime::new());
    engine.set_available(false);
    let owner = HostIdentity { installation: InstallationId::generate(), host: agent_id() };
    let deployer: Arc<dyn Deployer> = Arc::new(EngineDeployer::new(Arc::<MemoryRuntime>::clone(&engine), owner));
    let mut place = Place::new();
    place.live(1, executes(|_, _| async { done() }), Some(deployer));
    let id = place.submit(task()).await;

    tokio::time::sleep(Duration::from_secs(90)).await;
    let host = place.store.hosts().await.unwrap().remove(0);
    assert_eq!(
        (host.engine, host.state),
        (None, crate::store::HostState::Ready),
        "it lives, and says that its engine does not"
    );
    assert_eq!(place.store.task(id).await.unwrap().status(), TaskStatus::Pending);

    engine.set_available(true);
    place.reaches(id, TaskStatus::Completed).await;
}

/// A host on which an instance serves that takes 40 s to stop, and a task that replaces it.
async fn replacing(timeout: Duration) -> (Place, Arc<dyn Deployer>, TaskId) {
    let engine = Arc::new(MemoryRuntime::new());
    engine.load("web:1", MemoryImage::server().stopping_in(Duration::from_secs(3600)));
    engine.publish("web:2", MemoryImage::server().pulled_in(Duration::from_secs(30)));
    let owner = HostIdentity { installation: InstallationId::generate(), host: agent_id() };
    let deployer: Arc<dyn Deployer> = Arc::new(EngineDeployer::new(engine, owner));
    let mut place = Place::new();
    place.live(1, ExecutorRegistry::builtin(Arc::clone(&deployer)), Some(Arc::clone(&deployer)));
    let deploy = |image: &str, generation: u64| {
        let spec = json!({ "name": "web", "image": image, "stopTimeout": 40 });
        let payload = json!({ "containerSpec": spec, "generation": generation });
        NewTask { max_retries: 0, ..NewTask::new(agent_id(), TaskType::Deploy).with_payload(payload) }
    };
    let first = place.submit(deploy("web:1", 1)).await;
    place.reaches(first, TaskStatus::Completed).await;
    let id = place.submit(NewTask { timeout, ..deploy("web:2", 2) }).await;
    (place, deployer, id)
}

/// The one instance there is.
async fn only_instance(deployer: &dyn Deployer) -> Instance {
    let mut instances = deployer.observe().await.unwrap();
    assert_eq!(instances.len(), 1, "{instances:?}");
    instances.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_cancel_waits_for_a_predecessor_that_is_being_stopped_and_brings_it_back() {
    let (place, deployer, id) = replacing(Duration::from_secs(300)).await;
    loop {
        let TaskState::Running { progress, .. } = place.store.task(id).await.unwrap().state else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if progress.is_some_and(|progress| progress.step == "stop") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    place.store.cancel(id, "ann").await.unwrap();

    let TaskState::Cancelled { undone: Some(undone), .. } = place.reaches(id, TaskStatus::Cancelled).await.state else {
        panic!("it says what it undid")
    };
    assert!(undone.contains("was started again") && undone.contains("was removed again"), "{undone}");
    let instance = only_instance(&*deployer).await;
    assert_eq!((instance.generation.0, instance.state), (1, InstanceState::Running));
}

#[tokio::test(start_paused = true)]
async fn a_predecessor_is_not_stopped_when_the_deadline_comes_before_its_end() {
    let (place, deployer, id) = replacing(Duration::from_secs(60)).await;

    let TaskState::Failed { failure, .. } = place.reaches(id, TaskStatus::Failed).await.state else { panic!("failed") };

    assert_eq!((failure.code, failure.step.as_deref()), (crate::task::FailureCode::Timeout, Some("stop")));
    assert!(failure.message.contains("40 s"), "{failure}");
    let instance = only_instance(&*deployer).await;
    assert_eq!((instance.generation.0, instance.state), (1, InstanceState::Running));
}
