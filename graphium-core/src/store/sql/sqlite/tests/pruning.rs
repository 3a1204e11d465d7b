//! Pruning, as the file sees it.

use super::*;
use crate::store::Retention;
use crate::task::IdempotencyKey;

fn size(folder: &TempDir) -> u64 {
    std::fs::metadata(file(folder)).unwrap().len()
}

fn rows(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

async fn fill(store: &SqliteStore, count: usize) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for number in 0..count {
        let mut task = backup().with_payload(serde_json::json!({ "text": "x".repeat(2000) }));
        task.idempotency_key = IdempotencyKey::new(format!("key{number}")).ok();
        task.depends_on.extend(ids.last().filter(|_| number % 2 == 1));
        ids.push(task.id);
        store.submit(Submission::of("ann", [task])).await.unwrap();
    }
    for id in &ids {
        // The second of a pair falls with the first.
        drop(store.cancel(*id, "ann").await);
    }
    ids
}

#[tokio::test]
async fn a_pruned_task_leaves_nothing_and_the_file_shrinks() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = open_on(&folder, &clock, StoreSettings::default()).await;
    fill(&store, 1200).await;
    let last = submit(&store).await;
    store.close().await;
    let store = open_on(&folder, &clock, StoreSettings::default()).await;
    let full = size(&folder);
    clock.advance(StoreSettings::default().retention.events.unwrap());

    let mut rounds = 0;
    while store.prune().await.unwrap().more {
        rounds += 1;
        assert!(rounds < 100, "it comes to an end");
    }

    assert_eq!(store.task(last).await.unwrap().status(), TaskStatus::Pending);
    let numbers = store.stats().await.unwrap().by_status;
    assert_eq!((numbers[&TaskStatus::Cancelled], numbers[&TaskStatus::Pending]), (0, 1));
    store.close().await;
    let left = other_connection(&folder);
    let tables = ["task", "task_spec", "attempt", "dependency", "idempotency", "listing", "event"];
    assert_eq!(tables.map(|table| rows(&left, table)), [1, 1, 0, 0, 0, 0, 1]);
    left.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert!(size(&folder) < full / 4, "{} of {full}", size(&folder));
}

#[tokio::test]
async fn numbers_and_events_go_on_when_a_store_is_opened_after_a_pruning() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = || open_on(&folder, &clock, StoreSettings::default());
    let store = open().await;
    let ids = fill(&store, 3).await;
    clock.advance(StoreSettings::default().retention.events.unwrap());
    while store.prune().await.unwrap().more {}
    let head = *store.head().borrow();
    store.close().await;

    let store = open().await;
    assert_eq!(*store.head().borrow(), head);
    let newer = submit(&store).await;
    let page = store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(page.items.iter().map(Task::id).collect::<Vec<_>>(), [newer, ids[2]], "the newest one before is kept");
    let error = store.events(Seq(1), EventFilter::default(), 10).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Gone);
}

#[tokio::test]
async fn attempts_may_go_before_their_tasks() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let day = Duration::from_secs(86_400);
    let retention = Retention { tasks: None, attempts: Some(day), events: None };
    let settings = StoreSettings { retention, ..StoreSettings::default() };
    let open = || open_on(&folder, &clock, settings);
    let store = open().await;
    let id = submit(&store).await;
    let mut request = asking(SessionId::generate(), Duration::ZERO);
    let claimed = store.claim(&vm1(), request.clone()).await.unwrap().claims.remove(0);
    let status = ReportedStatus::Completed(Outcome::default());
    request.reports = vec![Report { task: id, attempt: claimed.attempt(), status }];
    store.claim(&vm1(), request).await.unwrap();
    submit(&store).await;
    clock.advance(day);

    assert_eq!(store.prune().await.unwrap().attempts, 1);
    assert_eq!(store.history(id).await.unwrap().attempts.len(), 0);
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Completed);
    store.close().await;
    let store = open().await;
    assert_eq!(store.prune().await.unwrap(), Pruned::default(), "how far it came is kept");
}

#[test]
fn what_is_old_is_found_by_an_index() {
    let folder = TempDir::new().unwrap();
    let mut connection = other_connection(&folder);
    connection::migrate(&file(&folder), &mut connection).unwrap();
    let plan = |question: &str, count: usize| -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {question}")).unwrap();
        let values = rusqlite::params_from_iter(std::iter::repeat_n(1, count));
        let lines: Vec<String> = statement.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        lines.join("; ")
    };
    let tasks = plan(due::tasks(&WORDS).text(), 3);
    assert!(
        tasks.contains("task_settled (settled_at>? AND settled_at<?)") || tasks.contains("task_settled (settled_at<?)"),
        "{tasks}"
    );
    assert!(
        plan(due::attempts(&WORDS).text(), 5).contains("USING INDEX task_settled"),
        "{}",
        plan(due::attempts(&WORDS).text(), 5)
    );
    assert!(plan(due::EVENTS, 2).contains("INTEGER PRIMARY KEY"), "{}", plan(due::EVENTS, 2));
    for (question, count) in [(due::tasks(&WORDS), 3), (due::attempts(&WORDS), 5)] {
        assert!(!plan(question.text(), count).contains("TEMP B-TREE"), "{}", plan(question.text(), count));
    }
}

#[tokio::test]
async fn what_would_go_is_counted_and_stays() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = open_on(&folder, &clock, StoreSettings::default()).await;
    fill(&store, 700).await;
    let vm2 = AgentId::new("vm2").unwrap();
    let (needed, mut waits) = (NewTask::new(vm2.clone(), TaskType::Custom("backup".into())), backup());
    waits.depends_on.extend([needed.id]);
    store.submit(Submission::of("ann", [needed.clone(), waits])).await.unwrap();
    let mut request = asking(SessionId::generate(), Duration::ZERO);
    let claimed = store.claim(&vm2, request.clone()).await.unwrap().claims.remove(0);
    let status = ReportedStatus::Completed(Outcome::default());
    request.reports = vec![Report { task: needed.id, attempt: claimed.attempt(), status }];
    store.claim(&vm2, request).await.unwrap();
    clock.advance(StoreSettings::default().retention.events.unwrap());

    let retention = StoreSettings::default().retention;
    let counted = SqliteStore::prunable(&file(&folder), retention, clock.now()).await.unwrap();
    let for_ever = Retention { tasks: None, attempts: None, events: None };
    let nothing = SqliteStore::prunable(&file(&folder), for_ever, clock.now()).await.unwrap();

    assert_eq!(nothing, Pruned::default());
    let mut pruned = Pruned::default();
    loop {
        let next = store.prune().await.unwrap();
        (pruned.tasks, pruned.events) = (pruned.tasks + next.tasks, pruned.events + next.events);
        if !next.more {
            break;
        }
    }
    assert_eq!((counted.tasks, counted.events), (pruned.tasks, pruned.events));
    assert_eq!(
        (counted.tasks, counted.attempts),
        (700, 1),
        "the task that another waits for stays without its attempt"
    );
    assert_eq!(SqliteStore::prunable(&file(&folder), retention, clock.now()).await.unwrap(), Pruned::default());
}
