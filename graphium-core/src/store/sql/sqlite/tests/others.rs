//! Others at the same file: programs that write beside the store, and stores that are opened at the same time.

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_lock_that_another_program_holds_for_a_while_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let mut other = other_connection(&folder);
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let mut submit = Box::pin(submit(&store));
    let at_once = tokio::time::timeout(Duration::from_millis(100), &mut submit).await;
    assert!(at_once.is_err(), "it is neither done nor refused");

    held.rollback().unwrap();

    let id = submit.await;
    assert_eq!(store.task(id).await.unwrap().status(), TaskStatus::Pending);
}

#[tokio::test]
async fn a_lock_that_another_program_does_not_give_back_refuses_the_call_and_ends_nothing_else() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let mut other = other_connection(&folder);
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();

    let refused = tokio::time::timeout(PATIENCE, store.submit(Submission::of("ann", [backup()]))).await.unwrap();

    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Unavailable);
    held.rollback().unwrap();
    let id = submit(&store).await;
    let tasks = store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items;
    assert_eq!(tasks.iter().map(Task::id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn calls_that_are_dropped_leave_no_transaction_behind() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    for _ in 0..50 {
        let submit = store.submit(Submission::of("ann", [backup()]));
        let read = store.tasks(TaskFilter::default(), PageRequest::default());
        // Each is begun, and dropped wherever it is then.
        tokio::select! {
            biased;
            _ = submit => {}
            _ = read => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let last = submit(&store).await;

    let mut other = other_connection(&folder);
    let write = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    write.rollback().unwrap();
    let busy: i64 = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0, "nobody reads an old state either");
    let tasks = store.tasks(TaskFilter::default(), PageRequest::default()).await.unwrap().items;
    assert_eq!(tasks[0].id(), last);
}

#[tokio::test]
async fn of_many_that_open_a_new_file_at_once_one_has_it_and_its_tables_are_whole() {
    let folder = TempDir::new().unwrap();
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let path = file(&folder);
        opening.spawn(async move {
            SqliteStore::open(&path, Arc::new(ManualClock::default()), StoreSettings::default()).await
        });
    }
    let opened = opening.join_all().await;

    let (had, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    assert_eq!((had.len(), refused.len()), (1, 7));
    assert!(refused.iter().all(|refused| refused.as_ref().unwrap_err().to_string().contains("in use")), "{refused:?}");
    submit(had[0].as_ref().unwrap()).await;
    assert_eq!(SqliteStore::check(&file(&folder)).await.unwrap(), []);
}

/// The locks that this process holds on a file, as the system lists them.
#[cfg(target_os = "linux")]
fn locks(file: &Path) -> usize {
    use std::os::unix::fs::MetadataExt;

    let (process, inode) = (std::process::id().to_string(), format!(":{}", std::fs::metadata(file).unwrap().ino()));
    let listed = std::fs::read_to_string("/proc/locks").unwrap();
    let ours = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        line.contains(" POSIX ") && words.contains(&process.as_str()) && words.iter().any(|word| word.ends_with(&inode))
    };
    listed.lines().filter(ours).count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_locks_of_the_store_outlive_its_backups_checks_and_refusals() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    submit(&store).await;
    let before = locks(&file(&folder));
    assert!(before > 0, "an open store holds a lock");

    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    store.backup(&copies.join("inside.db")).await.unwrap();
    SqliteStore::backup_file(&file(&folder), &copies.join("outside.db")).await.unwrap();
    SqliteStore::check(&file(&folder)).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    SqliteStore::open(&file(&folder), clock, StoreSettings::default()).await.unwrap_err();

    assert_eq!(locks(&file(&folder)), before);
}
