//! What is true of SQLite alone; what is true of every store is in the conformance suite.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::id::SessionId;
use crate::store::{Report, ReportAnswer, ReportedStatus, StoreErrorKind};
use crate::task::{NewTask, Outcome, TaskStatus, TaskType};

const PATIENCE: Duration = Duration::from_secs(20);

fn vm1() -> AgentId {
    AgentId::new("vm1").unwrap()
}

fn backup() -> NewTask {
    NewTask::new(vm1(), TaskType::Custom("backup".into()))
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("graphium.db")
}

async fn open(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(&file(folder), Arc::new(ManualClock::default()), StoreSettings::default()).await.unwrap()
}

async fn other_connection(folder: &TempDir) -> SqliteConnection {
    connection::writer(&file(folder)).await.unwrap()
}

async fn submit(store: &SqliteStore) -> TaskId {
    store.submit(Submission::of("ann", [backup()])).await.unwrap().tasks[0].id()
}

fn asking(session: SessionId, wait: Duration) -> ClaimRequest {
    ClaimRequest::hello(session, "m1").asking(1, wait)
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_an_abrupt_end() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let (open_task, done) = (submit(&store).await, submit(&store).await);
    let mut request = asking(SessionId::generate(), Duration::ZERO);
    request.only = Some(done);
    let claimed = store.claim(&vm1(), request.clone()).await.unwrap().claims.remove(0);
    let status = ReportedStatus::Completed(Outcome::default());
    request.reports = vec![Report { task: done, attempt: claimed.attempt(), status }];
    request.only = None;
    store.claim(&vm1(), request.clone()).await.unwrap();
    let (events, head) = store.events(Seq(0), EventFilter::default(), 100).await.unwrap();
    drop(store);

    let store = open(&folder).await;

    assert_eq!(store.task(open_task).await.unwrap().status(), TaskStatus::Assigned);
    assert_eq!(store.task(done).await.unwrap().status(), TaskStatus::Completed);
    assert_eq!(store.events(Seq(0), EventFilter::default(), 100).await.unwrap(), (events, head));
    assert_eq!(*store.head().borrow(), head);
    assert_eq!(store.stats().await.unwrap().by_status[&TaskStatus::Completed], 1);
    let again = store.claim(&vm1(), request).await.unwrap();
    assert_eq!(again.receipts[0].answer, ReportAnswer::Accepted);
}

#[tokio::test]
async fn a_second_store_on_the_same_file_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let first = open(&folder).await;

    let clock = Arc::new(ManualClock::default());
    let error = SqliteStore::open(&file(&folder), clock, StoreSettings::default()).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("graphium.db"), "{error}");
    first.close().await;
    open(&folder).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let text = "these are notes, not a database; ".repeat(100);
    std::fs::write(file(&folder), &text).unwrap();

    let clock = Arc::new(ManualClock::default());
    let error = SqliteStore::open(&file(&folder), clock, StoreSettings::default()).await.unwrap_err();

    assert!(error.to_string().contains("graphium.db"), "{error}");
    assert_eq!(std::fs::read_to_string(file(&folder)).unwrap(), text);
}

#[tokio::test]
async fn a_failed_commit_acknowledges_nobody_and_the_store_goes_on() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let before = submit(&store).await;
    let mut other = other_connection(&folder).await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    sqlx::query(full).execute(&mut other).await.unwrap();

    let lost = backup();
    let error = store.submit(Submission::of("ann", [lost.clone()])).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("disk full"), "{error}");

    sqlx::query("DROP TRIGGER full").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(store.task(lost.id).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    let kept = store.submit(Submission::of("ann", [lost])).await.unwrap();
    let claims = store.claim(&vm1(), ClaimRequest::hello(SessionId::generate(), "m1").asking(9, Duration::ZERO)).await;
    let claims: Vec<_> = claims.unwrap().claims.iter().map(|claimed| claimed.task.id()).collect();
    assert_eq!(claims, [before, kept.tasks[0].id()]);
    assert_eq!(*store.head().borrow(), Seq(5));
}

#[tokio::test]
async fn a_waiting_claim_whose_caller_is_gone_takes_no_task() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let session = SessionId::generate();
    let gone = tokio::time::timeout(Duration::from_millis(50), store.claim(&vm1(), asking(session, PATIENCE))).await;
    assert!(gone.is_err());

    let id = submit(&store).await;

    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Pending);
}

#[tokio::test]
async fn closing_ends_the_claims_that_wait_and_refuses_later_calls() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let vm1 = vm1();
    let waiting = store.claim(&vm1, asking(SessionId::generate(), PATIENCE));
    let close = async {
        while store.hosts().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        store.close().await;
    };

    let (answer, ()) = tokio::join!(waiting, close);

    assert_eq!(answer.unwrap().claims, []);
    let error = store.submit(Submission::of("ann", [backup()])).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn sessions_get_a_lease_of_grace_after_a_start() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;
    store.claim(&vm1(), asking(SessionId::generate(), Duration::ZERO)).await.unwrap();
    drop(store);

    let clock = Arc::new(ManualClock::default());
    clock.advance(Duration::from_secs(3600));
    let store =
        SqliteStore::open(&file(&folder), Arc::<ManualClock>::clone(&clock), StoreSettings::default()).await.unwrap();

    // The deadline of the attempt is long over, but the lease is not.
    clock.advance(StoreSettings::default().lease - Duration::from_secs(1));
    let host = store.hosts().await.unwrap().remove(0);
    assert!(host.lease_expires_at > clock.now());
    clock.advance(Duration::from_secs(2));
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Pending);
}

#[tokio::test]
async fn settled_tasks_leave_memory() {
    let folder = TempDir::new().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let settings = StoreSettings::default();
    let mut writer = Writer::open(Setup { path: file(&folder), clock, settings, seed: 1 }).await.unwrap();
    let mut parent = backup();
    parent.idempotency_key = Some(crate::task::IdempotencyKey::new("once").unwrap());
    let (id, child) = (parent.id, backup().after([parent.id]));

    let (reply, _answer) = oneshot::channel();
    writer.commit(vec![Command::Submit(Submission::of("ann", [parent, child]), reply)]).await;
    assert_eq!(writer.engine().entries().count(), 2);
    let (reply, _answer) = oneshot::channel();
    writer.commit(vec![Command::Cancel(id, "ann".into(), reply)]).await;

    assert_eq!(writer.engine().entries().count(), 0);
    let (reply, mut answer) = oneshot::channel();
    writer.commit(vec![Command::Retry(id, "ann".into(), reply)]).await;
    assert_eq!(answer.try_recv().unwrap().unwrap().status(), TaskStatus::Pending);
    assert_eq!(writer.engine().entries().count(), 2, "the dependant came back with it");
}

#[tokio::test]
async fn every_connection_has_the_settings_of_durability() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    for _ in 0..3 {
        let mut reader = store.readers.0.acquire().await.unwrap();
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *reader).await.unwrap();
        let busy: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *reader).await.unwrap();
        assert_eq!((mode.as_str(), busy), ("wal", 5000));
    }
    let mut writer = other_connection(&folder).await;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut writer).await.unwrap();
    assert_eq!(synchronous, 2, "2 is FULL");
    let fault = sqlx::query("DELETE FROM task").execute(&store.readers.0).await;
    assert!(fault.is_err(), "readers only read");
}

#[tokio::test]
async fn hot_statements_look_rows_up_by_key() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    store.close().await;
    let mut connection = other_connection(&folder).await;
    let by_agent = "SELECT id FROM task WHERE agent = 'vm1' AND settled_at IS NULL ORDER BY order_at, id";
    let by_status = "SELECT id FROM task WHERE status IN (SELECT value FROM json_each('[]')) AND number < 9";
    for statement in [write::CHANGE_TASKS, by_agent, by_status] {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.replace('?', "'[]'")));
        let plan = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
        let plan: BTreeSet<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(!plan.iter().any(|step| step.contains("SCAN task") || step.contains("TEMP B-TREE")), "{plan:?}");
    }
}

#[tokio::test]
async fn a_large_submission_takes_as_many_statements_as_a_small_one() {
    let mut engine = crate::store::engine::Engine::new(StoreSettings::default(), 1);
    let mut count = |tasks: usize| {
        engine.submit(Submission::of("ann", (0..tasks).map(|_| backup()))).unwrap();
        let changes = engine.take_changes();
        write::statements(&engine, &changes).unwrap().len()
    };
    assert_eq!(count(1), count(500));
}

#[tokio::test]
async fn a_read_without_end_is_broken_off() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let readers = connection::readers(&file(&folder), Duration::from_millis(100));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for _ in 0..3 {
        let broken_off = tokio::time::timeout(PATIENCE, sqlx::query(endless).fetch_one(&readers)).await.unwrap();
        assert!(broken_off.unwrap_err().to_string().contains("interrupted"));
    }
    let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM task").fetch_one(&readers).await.unwrap();
    assert_eq!(count, 0, "the connection is still good");
    readers.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_task_that_cannot_be_read_back_is_named_and_spares_the_others() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let (broken, whole) = (submit(&store).await, submit(&store).await);
    for id in [broken, whole] {
        store.cancel(id, "ann").await.unwrap();
    }
    let mut other = other_connection(&folder).await;
    sqlx::query("UPDATE task SET state = '{' WHERE id = ?").bind(broken.to_string()).execute(&mut other).await.unwrap();

    let (first, second) = tokio::join!(store.cancel(broken, "ann"), store.cancel(whole, "ann"));

    let error = first.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains(&broken.to_string()), "{error}");
    assert_eq!(second.unwrap_err().kind(), StoreErrorKind::Conflict, "it is settled, and that is all");
}

#[tokio::test]
async fn a_claim_that_would_wait_is_refused_when_its_reports_are_not_kept() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;
    let session = SessionId::generate();
    let claimed = store.claim(&vm1(), asking(session, Duration::ZERO)).await.unwrap().claims.remove(0);
    let mut other = other_connection(&folder).await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    sqlx::query(full).execute(&mut other).await.unwrap();

    let mut request = asking(session, PATIENCE);
    let status = ReportedStatus::Completed(Outcome::default());
    request.reports = vec![Report { task: id, attempt: claimed.attempt(), status }];
    let answer = tokio::time::timeout(PATIENCE / 2, store.claim(&vm1(), request.clone())).await.unwrap();

    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_ne!(store.task(id).await.unwrap().status(), TaskStatus::Completed);
    sqlx::query("DROP TRIGGER full").execute(&mut other).await.unwrap();
    request.wait = Duration::ZERO;
    let again = store.claim(&vm1(), request).await.unwrap();
    assert_eq!(again.receipts[0].answer, ReportAnswer::Accepted);
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Completed);
}

#[tokio::test]
async fn a_wait_that_is_over_is_refused_while_the_database_cannot_be_read() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let mut other = other_connection(&folder).await;
    let vm1 = vm1();
    let waits = store.claim(&vm1, asking(SessionId::generate(), Duration::from_secs(2)));
    let breaks = async {
        // The claim is in the queue of the writer before this call, and so waits when this has its answer.
        submit_elsewhere(&store).await.unwrap();
        sqlx::query("ALTER TABLE host RENAME TO gone").execute(&mut other).await.unwrap();
        let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        sqlx::query(full).execute(&mut other).await.unwrap();
        submit_elsewhere(&store).await.unwrap_err();
    };

    let (answer, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(waits, breaks) }).await.unwrap();

    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

/// A task of another agent, which wakes no claim of this one.
async fn submit_elsewhere(store: &SqliteStore) -> Result<Submitted, StoreError> {
    let task = NewTask::new(AgentId::new("vm2").unwrap(), TaskType::Custom("backup".into()));
    store.submit(Submission::of("ann", [task])).await
}
