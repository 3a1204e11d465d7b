//! A row that cannot be read back harms nothing but itself.

use rusqlite::params;
use serde_json::json;

use super::*;
use crate::event::EventType;
use crate::task::{CancelReason, FailureCode, Lane, TaskState};

/// A spec that a later version may write: a type of dependency that this one does not know.
const NEWER: &str = r#"{ "id": 7, "dependsOn": { "any": [] } }"#;

struct Scene {
    folder: TempDir,
    store: SqliteStore,
}

impl Scene {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&folder).await;
        Self { folder, store }
    }

    async fn submit(&self, task: NewTask) -> TaskId {
        self.store.submit(Submission::of("ann", [task])).await.unwrap().tasks[0].id()
    }

    /// Damages the file while the store is closed, and opens it again.
    async fn reopened_after(self, damage: impl FnOnce(&Connection)) -> Self {
        self.store.close().await;
        damage(&other_connection(&self.folder));
        let store = open(&self.folder).await;
        Self { store, ..self }
    }

    async fn claim(&self) -> Vec<TaskId> {
        let claims = self.store.claim(&vm1(), asking(SessionId::generate(), Duration::ZERO)).await.unwrap().claims;
        claims.into_iter().map(|claimed| claimed.task.id()).collect()
    }

    async fn listed(&self) -> Vec<Task> {
        self.store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items
    }
}

fn in_lane(agent: &AgentId) -> NewTask {
    let container = crate::id::ContainerName::new("web").unwrap();
    NewTask { lane: Some(Lane::instance(agent, None, &container, crate::id::Slot(0))), ..backup() }
}

fn set_spec(connection: &Connection, id: TaskId, spec: &str) {
    let update = "UPDATE task_spec SET spec = ? WHERE number = (SELECT number FROM task WHERE id = ?)";
    connection.execute(update, params![spec, id.as_uuid().into_bytes()]).unwrap();
}

fn set_state(connection: &Connection, id: TaskId, state: &str) {
    connection.execute("UPDATE task SET state = ? WHERE id = ?", params![state, id.as_uuid().into_bytes()]).unwrap();
}

fn spec_of(connection: &Connection, id: TaskId) -> String {
    let question = "SELECT spec FROM task_spec JOIN task USING (number) WHERE id = ?";
    connection.query_row(question, [id.as_uuid().into_bytes()], |row| row.get(0)).unwrap()
}

fn failure(task: &Task) -> &crate::task::Failure {
    let TaskState::Failed { failure, .. } = &task.state else { panic!("{task:?} did not fail") };
    failure
}

#[tokio::test]
async fn an_open_task_that_cannot_be_read_back_fails_alone_and_the_store_opens() {
    let scene = Scene::new().await;
    let (poison, sound) = (scene.submit(backup()).await, scene.submit(backup()).await);

    let scene = scene.reopened_after(|file| set_spec(file, poison, NEWER)).await;

    let task = scene.store.task(poison).await.unwrap();
    assert_eq!((failure(&task).code, failure(&task).retryable), (FailureCode::Unreadable, false));
    let message = &failure(&task).message;
    assert!(message.contains("its spec cannot be read") && message.contains("submit it anew"), "{message}");
    assert_eq!(scene.claim().await, [sound]);
    let last = scene.store.history(poison).await.unwrap().events.pop().unwrap();
    assert_eq!((last.kind, &last.data["error"]["code"]), (EventType::TaskUpdated, &json!("unreadable")));
    let counted = scene.store.stats().await.unwrap().by_status;
    assert_eq!((counted[&TaskStatus::Failed], counted[&TaskStatus::Pending]), (1, 0));
}

#[tokio::test]
async fn what_depends_on_a_task_that_cannot_be_read_back_falls_with_it() {
    let scene = Scene::new().await;
    let poison = scene.submit(backup()).await;
    let child = scene.submit(backup().after([poison])).await;
    let grandchild = scene.submit(backup().after([child])).await;

    let scene = scene.reopened_after(|file| set_state(file, poison, "{")).await;

    for (id, dependency) in [(child, poison), (grandchild, child)] {
        let task = scene.store.task(id).await.unwrap();
        let blames = matches!(&task.state, TaskState::Cancelled { reason: CancelReason::DependencyFailed { dependency: of }, .. } if *of == dependency);
        assert!(blames, "{task:?}");
    }
}

#[tokio::test]
async fn the_lane_of_a_task_that_cannot_be_read_back_goes_on() {
    let scene = Scene::new().await;
    let (poison, next) = (scene.submit(in_lane(&vm1())).await, scene.submit(in_lane(&vm1())).await);
    assert_eq!(scene.claim().await, [poison]);

    let scene = scene.reopened_after(|file| set_state(file, poison, "{")).await;

    assert_eq!(scene.claim().await, [next]);
    let attempts = scene.store.history(poison).await.unwrap().attempts;
    assert_eq!(attempts[0].ended.as_deref(), Some("failed"));
}

#[tokio::test]
async fn what_was_written_of_it_is_kept_and_a_program_that_reads_it_can_retry_it() {
    let scene = Scene::new().await;
    let poison = scene.submit(backup().with_payload(json!({ "path": "/srv" }))).await;
    let child = scene.submit(backup().after([poison])).await;
    let mut written = String::new();
    let scene = scene
        .reopened_after(|file| {
            written = spec_of(file, poison);
            set_spec(file, poison, NEWER);
            set_state(file, poison, "[]");
        })
        .await;

    let error = scene.store.retry(poison, "ann").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert!(error.to_string().contains(&poison.to_string()), "{error}");
    let file = other_connection(&scene.folder);
    assert_eq!(spec_of(&file, poison), NEWER);
    let state: String = file.query_row("SELECT state FROM unreadable", [], |row| row.get(0)).unwrap();
    assert_eq!(state, "[]");
    drop(file);

    // Stands for the program that wrote it.
    let scene = scene.reopened_after(|file| set_spec(file, poison, &written)).await;
    assert_eq!(scene.store.retry(poison, "ann").await.unwrap().spec.payload, json!({ "path": "/srv" }));
    assert_eq!(scene.claim().await, [poison]);
    assert_eq!(scene.store.task(child).await.unwrap().status(), TaskStatus::Pending);
}

#[tokio::test]
async fn a_task_without_its_spec_is_not_left_out() {
    let scene = Scene::new().await;
    let poison = scene.submit(backup()).await;

    let scene = scene.reopened_after(|file| file.execute_batch("DELETE FROM task_spec").unwrap()).await;

    assert_eq!(failure(&scene.store.task(poison).await.unwrap()).code, FailureCode::Unreadable);
}

#[tokio::test]
async fn a_settled_task_that_cannot_be_read_back_stands_in_the_list_and_says_so() {
    let scene = Scene::new().await;
    let (spoilt, sound, dim) =
        (scene.submit(backup()).await, scene.submit(backup()).await, scene.submit(backup()).await);
    for id in [spoilt, sound, dim] {
        scene.store.cancel(id, "ann").await.unwrap();
    }

    let file = other_connection(&scene.folder);
    set_spec(&file, spoilt, NEWER);
    set_state(&file, dim, "{");

    let listed = scene.listed().await;
    assert_eq!(listed.iter().map(Task::id).collect::<Vec<_>>(), [dim, sound, spoilt]);
    assert!(listed.iter().all(|task| task.status() == TaskStatus::Cancelled && task.agent() == &vm1()));
    assert_eq!(listed[1].unreadable, None);
    assert!(listed[2].unreadable.as_ref().unwrap().contains("its spec"));
    assert!(listed[0].unreadable.as_ref().unwrap().contains("its state"));
    assert_eq!(scene.store.retry(spoilt, "ann").await.unwrap_err().kind(), StoreErrorKind::Conflict);
    assert_eq!(scene.store.cancel(spoilt, "ann").await.unwrap_err().kind(), StoreErrorKind::Conflict);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_read_back_keeps_its_place_in_the_history() {
    let scene = Scene::new().await;
    let id = scene.submit(backup()).await;
    for _ in 0..2 {
        // Each session takes the task from the one before.
        assert_eq!(scene.claim().await, [id]);
    }

    let damage = |file: &Connection| file.execute_batch("UPDATE attempt SET record = '{'").unwrap();
    let scene = scene.reopened_after(damage).await;

    let attempts = scene.store.history(id).await.unwrap().attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.attempt.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((attempts[0].ended.as_deref(), attempts[1].ended.as_deref()), (Some("unreadable"), None));
}

#[tokio::test]
async fn a_host_that_cannot_be_read_back_speaks_for_itself_again() {
    let scene = Scene::new().await;
    let id = scene.submit(backup()).await;
    assert_eq!(scene.claim().await, [id]);

    let damage =
        |file: &Connection| file.execute_batch("UPDATE host SET session = '{'; UPDATE inventory SET instances = '{'");
    let scene = scene.reopened_after(|file| damage(file).unwrap()).await;

    let host = scene.store.hosts().await.unwrap().remove(0);
    assert_eq!((host.id, host.state, host.observed_at), (vm1(), crate::stack::HostState::Unknown, None));
    assert_eq!(scene.claim().await, [id], "what it held goes on under another attempt");
    assert_eq!(scene.store.hosts().await.unwrap().remove(0).state, crate::stack::HostState::Ready);
    assert_eq!(scene.store.task(id).await.unwrap().attempt.0, 2);
}

#[tokio::test]
async fn a_task_on_a_silent_host_that_cannot_be_read_back_is_lost_like_any_other() {
    let scene = Scene::new().await;
    let id = scene.submit(backup()).await;
    assert_eq!(scene.claim().await, [id]);

    let scene = scene.reopened_after(|file| file.execute_batch("UPDATE host SET session = '{'").unwrap()).await;

    assert_eq!(scene.store.sweep().await.unwrap(), 1);
    assert_eq!(scene.store.task(id).await.unwrap().status(), TaskStatus::Pending);
}

#[tokio::test]
async fn an_entry_of_the_log_that_cannot_be_read_back_leaves_no_gap() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        scene.submit(backup()).await;
    }
    let file = other_connection(&scene.folder);
    file.execute("UPDATE event SET type = 'task_teleported' WHERE seq = 1", []).unwrap();
    file.execute("UPDATE event SET data = '{' WHERE seq = 2", []).unwrap();

    let (events, _) = scene.store.events(Seq(0), EventFilter::default(), 10).await.unwrap();

    let kinds: Vec<_> = events.iter().map(|event| (event.seq.0, event.kind)).collect();
    let expected = [EventType::Unreadable, EventType::TaskCreated, EventType::TaskCreated];
    assert_eq!(kinds, [1, 2, 3].into_iter().zip(expected).collect::<Vec<_>>());
    assert_eq!(
        (&events[0].data["type"], &events[0].data["data"]["status"]),
        (&json!("task_teleported"), &json!("pending"))
    );
    assert!(events[1].data["unreadable"].as_str().unwrap().contains("its data"), "{:?}", events[1]);
}

#[tokio::test]
async fn an_entry_of_the_log_whose_words_are_no_text_stands_in_its_page() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        scene.submit(backup()).await;
    }
    let file = other_connection(&scene.folder);
    file.execute("UPDATE event SET type = CAST(x'ff' AS TEXT) WHERE seq = 1", []).unwrap();
    file.execute("UPDATE event SET actor = CAST(x'ff' AS TEXT) WHERE seq = 2", []).unwrap();

    let (events, _) = scene.store.events(Seq(0), EventFilter::default(), 10).await.unwrap();

    assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((events[0].kind, &events[0].data["type"]), (EventType::Unreadable, &json!(null)));
    assert_eq!((events[1].kind, events[1].actor.as_str()), (EventType::TaskCreated, "unreadable"));
    for event in &events[..2] {
        assert!(event.data["unreadable"].as_str().is_some(), "{event:?}");
    }
}

/// The attempt of a task that was given twice and then lost its number, before and after it is given again.
async fn attempts_of_a_task_without_its_number(damage: &str) -> (u64, u64) {
    let scene = Scene::new().await;
    let id = scene.submit(backup()).await;
    for _ in 0..2 {
        // Each session takes the task from the one before.
        assert_eq!(scene.claim().await, [id]);
    }
    let scene = scene.reopened_after(|file| file.execute_batch(damage).unwrap()).await;
    let task = scene.store.task(id).await.unwrap();
    assert_eq!(failure(&task).code, FailureCode::Unreadable);
    scene.store.retry(id, "ann").await.unwrap();
    assert_eq!(scene.claim().await, [id]);
    (task.attempt.0, scene.store.task(id).await.unwrap().attempt.0)
}

#[tokio::test]
async fn the_number_of_an_attempt_that_cannot_be_read_back_is_not_given_a_second_time() {
    assert_eq!(attempts_of_a_task_without_its_number("UPDATE task SET attempt = -1").await, (2, 3));
}

#[tokio::test]
async fn the_number_of_an_attempt_is_not_given_a_second_time_when_its_lease_is_lost_too() {
    assert_eq!(attempts_of_a_task_without_its_number("UPDATE task SET attempt = -1, state = '{'").await, (2, 3));
}

#[tokio::test]
async fn a_restored_store_with_a_claimed_task_that_cannot_be_read_back_opens() {
    let scene = Scene::new().await;
    let (poison, sound) = (scene.submit(backup()).await, scene.submit(backup()).await);
    assert_eq!(scene.claim().await, [poison]);
    let copy = scene.folder.path().join("copy.db");
    scene.store.backup(&copy).await.unwrap();
    scene.store.close().await;
    SqliteStore::restore(&copy, &file(&scene.folder)).await.unwrap();
    let damage = "UPDATE task SET attempt = -1 WHERE id = ?";
    assert_eq!(other_connection(&scene.folder).execute(damage, [poison.as_uuid().into_bytes()]).unwrap(), 1);
    let scene = Scene { store: open(&scene.folder).await, folder: scene.folder };

    assert_eq!(failure(&scene.store.task(poison).await.unwrap()).code, FailureCode::Unreadable);
    assert!(scene.store.status().await.unwrap().restored.is_some());
    scene.store.confirm_restore("ann").await.unwrap();
    assert_eq!(scene.claim().await, [sound]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_back_stands_in_the_list_and_is_an_error_alone() {
    let scene = Scene::new().await;
    let key = |name: &str| RecordKey::new(RecordKind::Token, name);
    let write = |name| RecordWrite { key: key(name), expected: Expected::Absent, body: Some(json!(1)) };
    let records = vec![write("broken"), write("whole")];
    scene.store.submit(Submission { records, ..Submission::of("ann", []) }).await.unwrap();
    other_connection(&scene.folder).execute("UPDATE record SET body = '{' WHERE name = 'broken'", []).unwrap();

    let listed = scene.store.records(RecordKind::Token, "", PageRequest::default()).await.unwrap().items;

    let sound: Vec<_> = listed.iter().map(|record| (record.key.name.as_str(), record.unreadable.is_none())).collect();
    assert_eq!(sound, [("broken", false), ("whole", true)]);
    let error = scene.store.record(&key("broken")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("token broken"), "{error}");
}

#[tokio::test]
async fn an_idempotency_key_of_a_task_that_cannot_be_read_back_starts_nothing_anew() {
    let scene = Scene::new().await;
    let keyed = || NewTask { idempotency_key: crate::task::IdempotencyKey::new("once").ok(), ..backup() };
    let id = scene.submit(keyed()).await;
    let scene = scene.reopened_after(|file| set_spec(file, id, NEWER)).await;

    let error = scene.store.submit(Submission::of("ann", [keyed()])).await.unwrap_err();

    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert!(error.to_string().contains("cannot be read back"), "{error}");
    assert_eq!(scene.listed().await.len(), 1);
}

#[tokio::test]
async fn a_task_that_cannot_be_read_back_is_pruned_whole_when_its_time_is_over() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = || open_on(&folder, &clock, StoreSettings::default());
    let store = open().await;
    let dependency = submit(&store).await;
    let mut poison = backup().after([dependency]);
    poison.idempotency_key = crate::task::IdempotencyKey::new("once").ok();
    poison.placed = Some(crate::task::Placed {
        stack: crate::id::StackName::new("shop").unwrap(),
        generation: crate::id::Generation(1),
        container: None,
        slot: crate::id::Slot(0),
    });
    let id = poison.id;
    store.submit(Submission::of("ann", [poison])).await.unwrap();
    let last = submit(&store).await;
    store.close().await;
    let other = other_connection(&folder);
    set_spec(&other, id, "{");
    // As after a newer deployment: the tasks of the newest are kept.
    other.execute("UPDATE generation SET newest = 2", []).unwrap();
    let store = open().await;
    store.cancel(dependency, "ann").await.unwrap();
    // As the index of lists stands once enough tasks came.
    let listed =
        "INSERT INTO listing (field, value, number) SELECT 'stack', stack, number FROM task WHERE stack IS NOT NULL
                  UNION ALL SELECT 'agent', agent, number FROM task UNION ALL SELECT 'type', type, number FROM task";
    assert_eq!(other_connection(&folder).execute(listed, []).unwrap(), 7);

    clock.advance(StoreSettings::default().retention.tasks.unwrap());
    while store.prune().await.unwrap().more {}

    let left: Vec<_> = store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items;
    assert_eq!(left.iter().map(Task::id).collect::<Vec<_>>(), [last]);
    store.close().await;
    let left = other_connection(&folder);
    let rows =
        |table: &str| left.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap();
    let tables = ["task_spec", "unreadable", "dependency", "idempotency", "listing"];
    assert_eq!(tables.map(rows), [1, 0, 0, 0, 2]);
}

#[tokio::test]
async fn a_store_with_rows_that_cannot_be_read_is_backed_up_and_its_check_names_them() {
    let scene = Scene::new().await;
    let poison = scene.submit(backup()).await;
    let scene = scene.reopened_after(|file| set_spec(file, poison, NEWER)).await;

    scene.store.backup(&scene.folder.path().join("backup.db")).await.unwrap();

    let findings = SqliteStore::check(&file(&scene.folder)).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].problem.contains(&poison.to_string()), "{findings:?}");
}

#[tokio::test]
async fn a_check_names_every_row_that_cannot_be_read_beside_what_does_not_belong_together() {
    let scene = Scene::new().await;
    let id = scene.submit(backup()).await;
    for _ in 0..2 {
        assert_eq!(scene.claim().await, [id]);
    }
    let write = |name: &str| RecordWrite {
        key: RecordKey::new(RecordKind::Token, name),
        expected: Expected::Absent,
        body: Some(json!(1)),
    };
    let records = vec![write("broken"), write("of tomorrow")];
    scene.store.submit(Submission { records, ..Submission::of("ann", []) }).await.unwrap();
    scene.store.close().await;
    let damage = "
        UPDATE counter SET value = value + 1 WHERE kind = 'type';
        UPDATE task SET claim_id = x'00';
        UPDATE record SET body = '{' WHERE name = 'broken';
        UPDATE record SET kind = 'wish' WHERE name = 'of tomorrow';
        UPDATE host SET session = '{';
        UPDATE attempt SET record = '{';
        UPDATE event SET data = '{' WHERE seq = 1";
    other_connection(&scene.folder).execute_batch(damage).unwrap();

    let findings = SqliteStore::check(&file(&scene.folder)).await.unwrap();

    let (task, attempt) = (format!("task {id}: column claim_id"), format!("attempt 1 of task {id}: "));
    let named = ["types whose counter", &task, "record token broken", "wish", "host vm1", &attempt, "event 1: "];
    assert_eq!(findings.len(), named.len(), "{findings:#?}");
    for name in named {
        assert!(findings.iter().any(|finding| finding.problem.contains(name)), "{name}: {findings:#?}");
    }
}
