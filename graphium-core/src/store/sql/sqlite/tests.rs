//! What is true of SQLite alone; what is true of every store is in the conformance suite.

mod idle;
mod log;
mod others;
mod pruning;
mod restoring;
mod unreadable;

use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::database::{Snapshot, WORDS};
use super::*;
use crate::clock::ManualClock;
use crate::id::SessionId;
use crate::store::sql::batch::{Batch, Statement};
use crate::store::sql::command::Command;
use crate::store::sql::list::List;
use crate::store::sql::rows::FIELDS;
use crate::store::sql::writer::{Setup, Writer};
use crate::store::sql::{listing, load};
use crate::store::{Expected, RecordWrite, Report, ReportAnswer, ReportedStatus, StoreErrorKind};
use crate::task::{NewTask, Outcome, TaskStatus, TaskType};

const PATIENCE: Duration = Duration::from_secs(20);

fn vm1() -> AgentId {
    AgentId::new("vm1").unwrap()
}

fn backup() -> NewTask {
    NewTask::new(vm1(), TaskType::Custom("backup".into()))
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("graphium.db")
}

async fn open(folder: &TempDir) -> SqliteStore {
    open_on(folder, &Arc::default(), StoreSettings::default()).await
}

async fn open_on(folder: &TempDir, clock: &Arc<ManualClock>, settings: StoreSettings) -> SqliteStore {
    SqliteStore::open(&file(folder), Arc::<ManualClock>::clone(clock), settings).await.unwrap()
}

fn other_connection(folder: &TempDir) -> Connection {
    connection::writer(&file(folder)).unwrap()
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

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
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
    let other = other_connection(&folder);
    let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    other.execute_batch(full).unwrap();

    let lost = backup();
    let error = store.submit(Submission::of("ann", [lost.clone()])).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("disk full"), "{error}");

    other.execute_batch("DROP TRIGGER full").unwrap();
    drop(other);
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
    let store = open_on(&folder, &clock, StoreSettings::default()).await;

    // The deadline of the attempt is long over, but the lease is not.
    clock.advance(StoreSettings::default().lease - Duration::from_secs(1));
    let host = store.hosts().await.unwrap().remove(0);
    assert!(host.lease_expires_at > clock.now());
    clock.advance(Duration::from_secs(2));
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Pending);
}

#[tokio::test]
async fn a_store_whose_periods_never_end_is_kept_and_opened_again() {
    let folder = TempDir::new().unwrap();
    let retention =
        Retention { tasks: Some(Duration::MAX), attempts: Some(Duration::MAX), events: Some(Duration::MAX) };
    let longest =
        StoreSettings { lease: Duration::MAX, down_after: Duration::MAX, deadline_grace: Duration::MAX, retention };
    let open = async || SqliteStore::open(&file(&folder), Arc::new(ManualClock::default()), longest).await.unwrap();
    let store = open().await;
    let id = submit(&store).await;
    let session = SessionId::generate();
    let claimed = store.claim(&vm1(), asking(session, Duration::ZERO)).await.unwrap();
    assert_eq!(claimed.claims[0].task.id(), id);
    assert_eq!((store.sweep().await.unwrap(), store.prune().await.unwrap().more), (0, false));
    store.close().await;

    let store = open().await;

    let host = store.hosts().await.unwrap().remove(0);
    assert_eq!((host.session, host.lease_expires_at), (session, Timestamp::MAX));
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Assigned);
}

#[tokio::test]
async fn a_log_whose_numbers_are_used_up_refuses_a_change_and_keeps_what_it_has() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;
    store.close().await;
    let last = i64::MAX;
    other_connection(&folder).execute("UPDATE event SET seq = ?", [last]).unwrap();
    let store = open(&folder).await;

    let error = store.submit(Submission::of("ann", [backup()])).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("9223372036854775808"), "{error}");
    let kept = store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items;
    assert_eq!(kept.iter().map(Task::id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn settled_tasks_leave_memory() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(SteadyClock::new(Arc::new(ManualClock::default())));
    let (settings, head, records) = (StoreSettings::default(), watch::Sender::new(Seq(0)), Arc::default());
    let database = SqliteDatabase::open(&file(&folder)).unwrap();
    let mut writer = Writer::open(Setup { clock, settings, seed: 1, head, records }, database).await.unwrap();
    let mut parent = backup();
    parent.idempotency_key = Some(crate::task::IdempotencyKey::new("once").unwrap());
    let (id, child) = (parent.id, backup().after([parent.id]));

    let (reply, _answer) = Reply::channel();
    writer.commit(vec![Command::Submit(Submission::of("ann", [parent, child]), reply)]).await;
    assert_eq!(writer.engine().entries().count(), 2);
    let (reply, _answer) = Reply::channel();
    writer.commit(vec![Command::Cancel(id, "ann".into(), reply)]).await;

    assert_eq!(writer.engine().entries().count(), 0);
    let (reply, mut answer) = Reply::channel();
    writer.commit(vec![Command::Retry(id, "ann".into(), reply)]).await;
    assert_eq!(answer.try_recv().unwrap().unwrap().status(), TaskStatus::Pending);
    assert_eq!(writer.engine().entries().count(), 2, "the dependant came back with it");
}

#[tokio::test]
async fn every_connection_has_the_settings_of_durability() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    for _ in 0..3 {
        let read = store.readers.read(|Snapshot(reader)| {
            let mode: String = reader.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
            let busy: i64 = reader.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
            Ok((mode, busy))
        });
        assert_eq!(read.await.unwrap(), ("wal".to_owned(), 5000));
    }
    let writer = other_connection(&folder);
    let synchronous: i64 = writer.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "2 is FULL");
    let delete =
        |Snapshot(reader): &Snapshot<'_>| Ok(reader.execute("DELETE FROM task", []).map_err(SqlError::from)?);
    let fault = store.readers.read(delete).await;
    assert!(fault.is_err(), "readers only read");
}

/// The one number that a question finds.
fn number(Snapshot(reader): &Snapshot<'_>, question: &str) -> Result<i64, StoreError> {
    Ok(reader.query_row(question, [], |row| row.get(0)).map_err(SqlError::from)?)
}

/// How SQLite finds what a statement asks for, step by step.
fn plan_of(connection: &Connection, statement: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let places = vec![rusqlite::types::Value::Null; explain.parameter_count()];
    let plan = explain.query_map(rusqlite::params_from_iter(places), |row| row.get("detail")).unwrap();
    plan.map(Result::unwrap).collect()
}

#[tokio::test]
async fn hot_statements_look_rows_up_by_key() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    store.close().await;
    let connection = other_connection(&folder);
    let statuses = |statuses: &[TaskStatus]| TaskFilter { statuses: statuses.to_vec(), ..TaskFilter::default() };
    let open = TaskFilter { agent: Some(vm1()), claim_order: true, ..TaskFilter::default() };
    let page = PageRequest::default();
    let by_type = TaskFilter { task_type: Some(TaskType::Deploy), ..TaskFilter::default() };
    let failed = statuses(&[TaskStatus::Failed]);
    let lists = [TaskFilter::default(), open, failed, statuses(&[TaskStatus::Completed]), by_type].into_iter();
    let lists = lists.flat_map(|filter| List::of(filter, &page).unwrap().questions(&WORDS));
    let lists = lists.map(|question| question.text().to_owned());
    for statement in lists.chain([
        statement::words(Statement::ChangeTask).to_owned(),
        statement::words(Statement::HoldTask).to_owned(),
        load::by_id(TaskId::generate()).text().to_owned(),
    ]) {
        let plan = plan_of(&connection, &statement);
        // A list without a field goes through the tasks from the newest on: every one belongs to it, or to an index of its own.
        let looks_through = |step: &String| step.starts_with("SCAN task") && !statement.contains("ORDER BY");
        assert!(!plan.iter().any(|step| looks_through(step) || step.contains("TEMP B-TREE")), "{statement}: {plan:?}");
    }
}

#[tokio::test]
async fn tasks_that_are_named_are_found_by_their_ids_alone() {
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    let filter = TaskFilter { ids: [TaskId::generate()].into(), ..TaskFilter::default() };
    let named = List::of(filter, &PageRequest::default()).unwrap().named(&WORDS).unwrap();
    let plan = plan_of(&other_connection(&folder), named.text());
    assert!(plan.iter().any(|step| step.starts_with("SEARCH task USING") && step.contains("(id=?)")), "{plan:?}");
}

#[tokio::test]
async fn what_is_open_is_read_back_without_a_look_at_what_is_settled() {
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    let connection = other_connection(&folder);
    let open_tasks = load::open_tasks(&Snapshot(&connection));
    let plan = plan_of(&connection, open_tasks.text());
    assert_eq!(plan[0], "SCAN task USING INDEX task_open", "{plan:?}");
}

#[tokio::test]
async fn a_list_is_whole_while_its_index_is_behind() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let few = 3;
    let stretch = submit_a_stretch(&store).await;
    for _ in 0..few {
        submit_elsewhere(&store).await.unwrap();
    }
    assert_eq!(listed_to(&store).await, [listing::STRETCH; 4], "a part is indexed, and the newest are not");

    let filter = TaskFilter { agent: Some(AgentId::new("vm2").unwrap()), ..TaskFilter::default() };
    let (mut found, mut page) = (Vec::new(), PageRequest { limit: 2, ..PageRequest::default() });
    loop {
        let next = store.tasks(filter.clone(), page.clone()).await.unwrap();
        found.extend(next.items.into_iter().map(|task| task.id()));
        page.after = next.next;
        if page.after.is_none() {
            break;
        }
    }

    assert_eq!(found.len(), stretch + few);
    let mut once = found.clone();
    once.dedup();
    assert_eq!(once, found);
}

#[tokio::test]
async fn an_index_of_a_store_of_the_version_before_goes_on_from_its_end() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    submit_a_stretch(&store).await;
    // What is looked after comes after the answer to what was written: so it is done once there is another answer.
    submit(&store).await;
    store.close().await;
    let before = "DELETE FROM counter WHERE kind = 'listed' AND name <> 'agent';
                  UPDATE counter SET name = '' WHERE kind = 'listed';
                  ALTER TABLE task DROP COLUMN generation; PRAGMA user_version = 2";
    other_connection(&folder).execute_batch(before).unwrap();

    let store = open(&folder).await;
    assert_eq!(listed_to(&store).await, [listing::STRETCH; 4]);
    submit_a_stretch(&store).await;
    submit(&store).await;
    assert!(listed_to(&store).await.iter().all(|end| *end >= 2 * listing::STRETCH), "every index has gone on");
    store.close().await;
    assert_eq!(SqliteStore::check(&file(&folder)).await.unwrap(), []);
}

#[tokio::test]
async fn a_large_submission_takes_as_many_statements_as_a_small_one() {
    let mut engine = crate::store::engine::Engine::new(StoreSettings::default(), 1);
    let mut count = |tasks: usize| {
        engine.submit(Submission::of("ann", (0..tasks).map(|_| backup()))).unwrap();
        let changes = engine.take_changes();
        Batch::of(&engine, &changes).unwrap().rows().len()
    };
    assert_eq!(count(1), count(500));
}

#[tokio::test]
async fn a_read_without_end_is_broken_off() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let readers = Readers::new(&file(&folder), Duration::from_millis(100), Arc::default());
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for _ in 0..3 {
        let read = readers.read(move |snapshot| number(snapshot, endless));
        let broken_off = tokio::time::timeout(PATIENCE, read).await.unwrap();
        assert!(broken_off.unwrap_err().to_string().contains("in time"));
    }
    let count = "SELECT count(*) FROM task";
    let count = readers.read(move |snapshot| number(snapshot, count)).await;
    assert_eq!(count.unwrap(), 0, "the readers are still good");
    readers.close().await;
    store.close().await;
}

#[tokio::test]
async fn what_a_submission_needs_and_cannot_be_read_is_named_and_spares_the_others() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let write = |name: &str| {
        let key = RecordKey::new(RecordKind::Token, name);
        let write = RecordWrite { key, expected: Expected::Anything, body: Some(serde_json::json!(1)) };
        Submission { records: vec![write], ..Submission::of("ann", []) }
    };
    for name in ["broken", "whole"] {
        store.submit(write(name)).await.unwrap();
    }
    other_connection(&folder).execute("UPDATE record SET version = -1 WHERE name = 'broken'", []).unwrap();

    let (first, second) = tokio::join!(store.submit(write("broken")), store.submit(write("whole")));

    let error = first.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("version -1"), "{error}");
    assert_eq!(second.unwrap().versions, [2]);
}

#[tokio::test]
async fn a_claim_that_would_wait_is_refused_when_its_reports_are_not_kept() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;
    let session = SessionId::generate();
    let claimed = store.claim(&vm1(), asking(session, Duration::ZERO)).await.unwrap().claims.remove(0);
    let other = other_connection(&folder);
    let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    other.execute_batch(full).unwrap();

    let mut request = asking(session, PATIENCE);
    let status = ReportedStatus::Completed(Outcome::default());
    request.reports = vec![Report { task: id, attempt: claimed.attempt(), status }];
    let answer = tokio::time::timeout(PATIENCE / 2, store.claim(&vm1(), request.clone())).await.unwrap();

    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_ne!(store.task(id).await.unwrap().status(), TaskStatus::Completed);
    other.execute_batch("DROP TRIGGER full").unwrap();
    request.wait = Duration::ZERO;
    let again = store.claim(&vm1(), request).await.unwrap();
    assert_eq!(again.receipts[0].answer, ReportAnswer::Accepted);
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Completed);
}

#[tokio::test]
async fn a_wait_that_is_over_is_refused_while_the_database_cannot_be_read() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let other = other_connection(&folder);
    let vm1 = vm1();
    let waits = store.claim(&vm1, asking(SessionId::generate(), Duration::from_secs(2)));
    let breaks = async {
        // The claim is in the queue of the writer before this call, and so waits when this has its answer.
        submit_elsewhere(&store).await.unwrap();
        other.execute_batch("ALTER TABLE host RENAME TO gone").unwrap();
        let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        other.execute_batch(full).unwrap();
        submit_elsewhere(&store).await.unwrap_err();
    };

    let (answer, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(waits, breaks) }).await.unwrap();

    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn sessions_get_a_lease_of_grace_after_a_time_in_which_nothing_could_be_kept() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = open_on(&folder, &clock, StoreSettings::default()).await;
    let id = submit(&store).await;
    let session = SessionId::generate();
    store.claim(&vm1(), asking(session, Duration::ZERO)).await.unwrap();
    let other = other_connection(&folder);
    let full = "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    other.execute_batch(full).unwrap();
    clock.advance(StoreSettings::default().lease * 3);
    assert_eq!(store.sweep().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    other.execute_batch("DROP TRIGGER full").unwrap();

    assert_eq!(store.sweep().await.unwrap(), 0, "its agent could not be answered");
    clock.advance(StoreSettings::default().lease);
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(store.task(id).await.unwrap().retry_count, 1);
}

#[tokio::test]
async fn who_speaks_for_a_host_and_what_it_saw_is_kept_before_the_answer() {
    let (folder, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&folder).await;
    let (old, new) = (SessionId::generate(), SessionId::generate());
    for session in [old, new] {
        store.claim(&vm1(), asking(session, Duration::ZERO)).await.unwrap();
    }
    let report = InventoryReport {
        session: new,
        machine: "m1".into(),
        seq: 3,
        attempts_ended: 0,
        engine: Some(crate::stack::EngineInfo::default()),
        instances: Vec::new(),
    };
    store.inventory(&vm1(), report).await.unwrap();

    // What a crash would leave at this moment.
    other_connection(&folder).execute("VACUUM INTO ?", [file(&after).to_str().unwrap()]).unwrap();
    let store = open(&after).await;

    let host = store.hosts().await.unwrap().remove(0);
    assert_eq!((host.session, host.inventory_seq, host.inventory_session), (new, 3, Some(new)));
    let error = store.claim(&vm1(), asking(old, Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::SessionEnded);
}

/// A task of another agent, which wakes no claim of this one.
/// Submits enough tasks for every index to go on; the first of each submission is of another agent. Answers with how many
/// submissions it took.
async fn submit_a_stretch(store: &SqliteStore) -> usize {
    let tasks = usize::try_from(listing::STRETCH).unwrap();
    let submissions = tasks.div_ceil(crate::store::MAX_TASKS_PER_SUBMISSION) + FIELDS.len();
    for _ in 0..submissions {
        submit_elsewhere(store).await.unwrap();
        let tasks = (0..crate::store::MAX_TASKS_PER_SUBMISSION).map(|_| backup());
        store.submit(Submission::of("ann", tasks)).await.unwrap();
    }
    submissions
}

/// Up to which number tasks are indexed, by each field.
async fn listed_to(store: &SqliteStore) -> [u64; 4] {
    let read = |snapshot: &Snapshot<'_>| {
        let mut ends = [0; 4];
        for (end, field) in ends.iter_mut().zip(FIELDS) {
            *end = now(listing::listed_to(snapshot, field))?;
        }
        Ok(ends)
    };
    store.readers.read(read).await.unwrap()
}

async fn submit_elsewhere(store: &SqliteStore) -> Result<Submitted, StoreError> {
    let task = NewTask::new(AgentId::new("vm2").unwrap(), TaskType::Custom("backup".into()));
    store.submit(Submission::of("ann", [task])).await
}

/// The tasks that have come through the inbox once nothing is left in it.
async fn once_the_inbox_is_empty(store: &SqliteStore) -> Vec<Task> {
    let empty = async {
        loop {
            let left = "SELECT count(*) FROM inbox";
            let left = store.readers.read(move |snapshot| number(snapshot, left));
            if left.await.unwrap() == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.unwrap();
    store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items
}

fn put_in_inbox(other: &Connection, key: &str, json: &str) {
    other.execute("INSERT INTO inbox (key, json) VALUES (?, ?)", [key, json]).unwrap();
}

#[tokio::test]
async fn a_task_of_the_inbox_comes_with_the_transaction_that_left_it() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let mut other = other_connection(&folder);
    let letter = r#"{ "taskType": "backup", "agentId": "vm1", "priority": 7 }"#;
    let lost = other.transaction().unwrap();
    put_in_inbox(&lost, "lost", letter);
    lost.rollback().unwrap();
    let vm1 = vm1();
    let waiting = store.claim(&vm1, asking(SessionId::generate(), PATIENCE));
    let kept = async {
        let kept = other.transaction().unwrap();
        kept.execute_batch("CREATE TABLE orders (id TEXT)").unwrap();
        put_in_inbox(&kept, "kept", letter);
        kept.commit().unwrap();
    };

    let (answer, ()) = tokio::join!(waiting, kept);

    let claimed = answer.unwrap().claims.remove(0).task;
    assert_eq!((claimed.spec.priority.get(), claimed.spec.task_type.as_str()), (7, "backup"));
    let tasks: Vec<_> = once_the_inbox_is_empty(&store).await.iter().map(Task::id).collect();
    assert_eq!(tasks, [claimed.id()]);
}

#[tokio::test]
async fn the_same_letter_again_has_no_effect_and_another_under_its_key_is_refused() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let other = other_connection(&folder);
    for priority in [1, 1, 2] {
        put_in_inbox(&other, "a", &format!(r#"{{ "taskType": "x", "agentId": "vm1", "priority": {priority} }}"#));
        assert_eq!(once_the_inbox_is_empty(&store).await.len(), 1);
    }
    let refused = other.query_row("SELECT error FROM inbox_refused WHERE key = 'a'", [], |row| row.get::<_, String>(0));
    assert!(refused.unwrap().contains("another content"));
}

#[tokio::test]
async fn a_letter_that_cannot_be_read_is_refused_and_the_others_are_taken() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let mut other = other_connection(&folder);
    let together = other.transaction().unwrap();
    let good = r#"[{ "taskType": "x", "agentId": "vm1" }, { "taskType": "y", "agentId": "vm1" }]"#;
    let letters = [("empty", ""), ("typo", r#"{ "taskTipe": "x" }"#), ("good", good), ("", r#"{ "taskType": "x" }"#)];
    letters.iter().for_each(|(key, json)| put_in_inbox(&together, key, json));
    together.commit().unwrap();

    assert_eq!(once_the_inbox_is_empty(&store).await.len(), 2);

    let mut refused = other.prepare("SELECT key FROM inbox_refused ORDER BY key").unwrap();
    let refused: Vec<String> = refused.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(refused, ["", "empty", "typo"]);
}
