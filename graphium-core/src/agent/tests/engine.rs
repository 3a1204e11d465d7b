//! An agent with an engine: what is there comes before what is to be done.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::*;
use crate::deploy::{
    CleanupRequest, DeleteRequest, DeployError, DeployErrorKind, DeployRequest, InstanceTarget, LogLine, UpdateRequest,
};
use crate::id::{ContainerName, Generation, Slot};
use crate::stack::{EngineInfo, Health, Instance, InstanceState};
use crate::task::PrefetchPayload;

/// An engine that shows what the test put there, and changes nothing.
#[derive(Debug, Default)]
struct Shown {
    instances: Mutex<Option<Vec<Instance>>>,
    changed: Notify,
}

impl Shown {
    fn show(&self, instances: Option<Vec<Instance>>) {
        *self.instances.lock().unwrap() = instances;
        self.changed.notify_one();
    }
}

fn unsupported<T>() -> Result<T, DeployError> {
    Err(DeployError::new(DeployErrorKind::Unsupported, "this engine only shows"))
}

#[async_trait]
impl Deployer for Shown {
    async fn deploy(&self, _: &DeployRequest, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn delete(&self, _: &DeleteRequest, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn stop(&self, _: &InstanceTarget, _: Option<u32>, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn start(&self, _: &InstanceTarget, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn restart(&self, _: &InstanceTarget, _: Option<u32>, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn update(&self, _: &UpdateRequest, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn prefetch(&self, _: &PrefetchPayload, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn cleanup(&self, _: &CleanupRequest, _: &StepContext) -> Result<Outcome, DeployError> {
        unsupported()
    }
    async fn observe(&self) -> Result<Vec<Instance>, DeployError> {
        let shown = self.instances.lock().unwrap().clone();
        shown.ok_or_else(|| DeployError::new(DeployErrorKind::Unavailable, "the engine sleeps"))
    }
    async fn engine(&self) -> Result<EngineInfo, DeployError> {
        Ok(EngineInfo { name: "shown".into(), ..EngineInfo::default() })
    }
    async fn logs(&self, _: &InstanceTarget, _: usize) -> Result<Vec<LogLine>, DeployError> {
        unsupported()
    }
    async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn instance(name: &str) -> Instance {
    Instance {
        runtime_id: name.to_owned(),
        name: name.to_owned(),
        stack: None,
        container: ContainerName::new(name).unwrap(),
        slot: Slot(0),
        generation: Generation(1),
        spec_hash: String::new(),
        task: None,
        image: "image".into(),
        image_digest: String::new(),
        state: InstanceState::Running,
        health: Health::None,
        restart_count: 0,
        ports: Vec::new(),
    }
}

fn scene(engine: &Arc<Shown>) -> Scene {
    let deployer: Arc<dyn Deployer> = Arc::<Shown>::clone(engine);
    Scene::start(executes(|_, _| async { done() }), Some(deployer), 1)
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_has_is_reported_before_any_work_is_taken() {
    let engine = Arc::new(Shown::default());
    engine.show(Some(vec![instance("left-over")]));
    let mut scene = scene(&engine);
    let hello = scene.call().await;
    let session = hello.request.session;
    assert!(scene.inventories.try_recv().is_err(), "the session comes first");
    hello.nothing();

    let first = scene.inventory().await;
    assert_eq!((first.session, first.seq, first.instances), (session, 1, vec![instance("left-over")]));
    loop {
        let request = scene.report_or_wait().await;
        if request.slots == 1 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_on_the_engine_is_reported_soon_and_a_mere_hint_is_not() {
    let engine = Arc::new(Shown::default());
    engine.show(Some(Vec::new()));
    let mut scene = scene(&engine);
    scene.call().await.nothing();
    assert_eq!(scene.inventory().await.seq, 1);

    engine.show(Some(Vec::new()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(scene.inventories.try_recv().is_err(), "nothing has changed");

    let changed = tokio::time::Instant::now();
    engine.show(Some(vec![instance("web")]));
    let report = scene.inventory().await;
    assert_eq!((report.seq, report.instances.len()), (2, 1));
    assert!(changed.elapsed() <= Duration::from_millis(200), "{:?}", changed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_whole_engine_is_reported_each_interval_and_after_each_task() {
    let engine = Arc::new(Shown::default());
    engine.show(Some(Vec::new()));
    let mut scene = scene(&engine);
    scene.call().await.nothing();
    let first = tokio::time::Instant::now();
    assert_eq!(scene.inventory().await.seq, 1);
    assert_eq!(scene.inventory().await.seq, 2);
    assert_eq!(first.elapsed(), Duration::from_secs(60));

    loop {
        let call = scene.call().await;
        if call.request.slots == 1 && !call.answer.is_closed() {
            call.claims([assigned(1)]);
            break;
        }
    }
    loop {
        let call = scene.call().await;
        if !call.request.reports.is_empty() {
            assert!(scene.inventories.try_recv().is_err(), "what is seen counts only after the store has the report");
            call.accepts();
            break;
        }
    }
    let before = tokio::time::Instant::now();
    assert_eq!(scene.inventory().await.seq, 3);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_takes_no_work_until_it_does() {
    let engine = Arc::new(Shown::default());
    let mut scene = scene(&engine);
    let started = tokio::time::Instant::now();
    scene.call().await.nothing();
    assert_eq!(scene.inventory().await.engine, None);

    // The agent lives and renews, and asks for nothing.
    let mut calls = 0;
    while started.elapsed() < Duration::from_secs(30) {
        let call = scene.call().await;
        assert_eq!(call.request.slots, 0);
        call.nothing();
        calls += 1;
    }
    assert!((2..=10).contains(&calls), "{calls} calls in 30 s");

    engine.show(Some(Vec::new()));
    let back = loop {
        let report = scene.inventory().await;
        if report.engine.is_some() {
            break report;
        }
    };
    assert!(back.instances.is_empty());
    while scene.report_or_wait().await.slots == 0 {}
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_falls_silent_leaves_what_was_seen_last() {
    let engine = Arc::new(Shown::default());
    engine.show(Some(vec![instance("web")]));
    let mut scene = scene(&engine);
    scene.call().await.nothing();
    assert_eq!(scene.inventory().await.instances.len(), 1);

    engine.show(None);
    let silent = scene.inventory().await;
    assert_eq!((silent.engine, silent.instances.len()), (None, 1));
}
