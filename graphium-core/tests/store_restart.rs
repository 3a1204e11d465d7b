//! The SQLite store across restarts whose clocks do not agree.
#![cfg(feature = "sqlite")]

use std::sync::Arc;
use std::time::Duration;

use graphium_core::clock::{Clock, ManualClock};
use graphium_core::id::{AgentId, SessionId, TaskId};
use graphium_core::store::{
    AgentStore, ClaimRequest, Claimed, Report, ReportAnswer, ReportedStatus, SqliteStore, StoreSettings, Submission,
    TaskStore,
};
use graphium_core::task::{Failure, FailureCode, NewTask, Outcome, TaskStatus, TaskType};
use tempfile::TempDir;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

struct Site {
    folder: TempDir,
    clock: Arc<ManualClock>,
    session: SessionId,
}

impl Site {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { folder: TempDir::new().expect("a folder"), clock, session: SessionId::generate() }
    }

    /// Opens the store by a clock that differs from the one before.
    async fn open(&mut self, clock: ManualClock) -> SqliteStore {
        self.clock = Arc::new(clock);
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let path = self.folder.path().join("graphium.db");
        SqliteStore::open(&path, clock, StoreSettings::default()).await.expect("the store opens")
    }

    fn hello(&self) -> ClaimRequest {
        ClaimRequest::hello(self.session, "m1")
    }

    async fn claim(&self, store: &SqliteStore) -> Option<Claimed> {
        store.claim(&vm1(), self.hello().asking(1, Duration::ZERO)).await.expect("a claim").claims.pop()
    }

    async fn report(&self, store: &SqliteStore, claimed: &Claimed, status: ReportedStatus) -> ReportAnswer {
        let report = Report { task: claimed.task.id(), attempt: claimed.attempt(), status };
        let request = ClaimRequest { reports: vec![report], ..self.hello() };
        store.claim(&vm1(), request).await.expect("a report").receipts[0].answer
    }
}

fn vm1() -> AgentId {
    AgentId::new("vm1").expect("a valid id")
}

async fn submit(store: &SqliteStore) -> TaskId {
    let task = NewTask::new(vm1(), TaskType::Custom("backup".into()));
    store.submit(Submission::of("ann", [task])).await.expect("a submit").tasks[0].id()
}

fn ahead(by: Duration) -> ManualClock {
    ManualClock::new(ManualClock::default().now().after(by))
}

#[tokio::test]
async fn time_goes_on_although_the_newest_instant_in_the_file_is_in_the_future() {
    let mut site = Site::new();
    let store = site.open(ahead(YEAR)).await;
    let id = submit(&store).await;
    let claimed = site.claim(&store).await.expect("work");
    store.close().await;

    let store = site.open(ManualClock::default()).await;
    let failure = Failure::new(FailureCode::RegistryUnreachable, "no route");
    assert_eq!(site.report(&store, &claimed, ReportedStatus::Failed(failure)).await, ReportAnswer::Accepted);
    site.clock.advance(SECOND);
    assert!(site.claim(&store).await.is_some(), "the backoff is over");
    site.clock.advance(StoreSettings::default().lease);
    assert_eq!(store.sweep().await.expect("a sweep"), 1, "the lease is over");
    assert_eq!(store.task(id).await.expect("the task").status(), TaskStatus::Pending);
}

#[tokio::test]
async fn a_clock_that_jumped_while_the_store_was_away_ends_no_attempt() {
    let mut site = Site::new();
    let store = site.open(ManualClock::default()).await;
    submit(&store).await;
    let claimed = site.claim(&store).await.expect("work");
    store.close().await;

    let store = site.open(ahead(YEAR)).await;
    for _ in 0..5 {
        site.clock.advance(StoreSettings::default().lease - SECOND);
        store.claim(&vm1(), site.hello()).await.expect("a renewal");
        assert_eq!(store.sweep().await.expect("a sweep"), 0, "the attempt may take its 300 s");
    }
    let done = ReportedStatus::Completed(Outcome::default());
    assert_eq!(site.report(&store, &claimed, done).await, ReportAnswer::Accepted);
}

#[tokio::test]
async fn a_deadline_is_kept_after_a_restart_all_the_same() {
    let mut site = Site::new();
    let store = site.open(ManualClock::default()).await;
    let id = submit(&store).await;
    let claimed = site.claim(&store).await.expect("work");
    store.close().await;

    let store = site.open(ahead(SECOND)).await;
    for _ in 0..11 {
        site.clock.advance(StoreSettings::default().lease - SECOND);
        store.claim(&vm1(), site.hello()).await.expect("a renewal");
    }
    assert_eq!(store.sweep().await.expect("a sweep"), 1);
    assert_eq!(store.task(id).await.expect("the task").retry_count, 1, "of attempt {}", claimed.attempt());
}

#[tokio::test]
async fn what_a_session_said_last_and_who_was_ended_is_known_after_a_restart() {
    let mut site = Site::new();
    let store = site.open(ManualClock::default()).await;
    store.claim(&vm1(), site.hello()).await.expect("a session");
    let ended = std::mem::replace(&mut site.session, SessionId::generate());
    store.claim(&vm1(), site.hello().numbered(9)).await.expect("another session");
    store.close().await;

    let store = site.open(ManualClock::default()).await;
    let late = store.claim(&vm1(), site.hello().numbered(8)).await.expect_err("it is late");
    assert!(late.to_string().contains("after call 9"), "{late}");
    let over = store.claim(&vm1(), ClaimRequest::hello(ended, "m1")).await.expect_err("it is over");
    assert!(over.to_string().contains("taken over"), "{over}");
}
