//! Backups, and what becomes of a store that was restored from one.

use super::*;

fn copy_of(folder: &TempDir) -> PathBuf {
    folder.path().join("copy.db")
}

#[tokio::test]
async fn a_backup_has_what_was_acknowledged_before_it_and_replaces_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;

    let head = store.backup(&copy_of(&folder)).await.unwrap();

    assert_eq!(head, *store.head().borrow());
    assert_eq!(SqliteStore::check(&copy_of(&folder)).await.unwrap(), []);
    let error = store.backup(&copy_of(&folder)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    let from_outside = folder.path().join("outside.db");
    assert_eq!(SqliteStore::backup_file(&file(&folder), &from_outside).await.unwrap(), head);
    store.close().await;
    let before = SqliteStore::restore(&from_outside, &file(&folder)).await.unwrap();
    assert!(before.unwrap().exists(), "what was there is kept");
    assert_eq!(open(&folder).await.task(id).await.unwrap().id(), id);
}

#[tokio::test]
async fn only_a_backup_is_restored_and_only_when_nobody_has_the_store_open() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    store.backup(&copy_of(&folder)).await.unwrap();
    let error = SqliteStore::restore(&copy_of(&folder), &file(&folder)).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    store.close().await;
    let other = folder.path().join("other.db");
    let error = SqliteStore::restore(&file(&folder), &other).await.unwrap_err();
    assert!(error.to_string().contains("no backup"), "{error}");
}

#[tokio::test]
async fn a_restored_store_gives_no_number_twice_and_no_work_until_that_is_confirmed() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;
    let mut request = asking(SessionId::generate(), Duration::ZERO);
    let early = store.claim(&vm1(), request.clone()).await.unwrap().claims.remove(0);
    store.backup(&copy_of(&folder)).await.unwrap();
    // What the backup does not know: the attempt is handed back and given again.
    request.reports = vec![Report { task: id, attempt: early.attempt(), status: ReportedStatus::HandedBack }];
    let late = store.claim(&vm1(), request.clone()).await.unwrap().claims.remove(0);
    let lost_event = *store.head().borrow();
    store.close().await;
    SqliteStore::restore(&copy_of(&folder), &file(&folder)).await.unwrap();

    let store = open(&folder).await;

    let status = store.status().await.unwrap();
    assert_eq!((status.epoch, status.restored.is_some()), (1, true));
    request.reports = [&early, &late]
        .map(|claimed| Report {
            task: id,
            attempt: claimed.attempt(),
            status: ReportedStatus::Completed(Outcome::default()),
        })
        .to_vec();
    let answer = store.claim(&vm1(), request.clone()).await.unwrap();
    assert!(answer.claims.is_empty() && answer.receipts.iter().all(|r| r.answer == ReportAnswer::StaleAttempt));
    let error = store.submit(Submission::of("ann", [backup()])).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Held);
    assert!(error.to_string().contains("confirm the restore"), "{error}");
    let error = store.events(lost_event, EventFilter::default(), 10).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Gone, "the reader has seen what is not there");

    assert_eq!(store.confirm_restore("ann").await.unwrap().restored, None);
    request.reports.clear();
    let again = store.claim(&vm1(), request).await.unwrap().claims.remove(0);
    assert!(again.attempt().0 > late.attempt().0 + crate::store::RESTORE_STRIDE);
    store.close().await;
    assert_eq!(SqliteStore::check(&file(&folder)).await.unwrap(), []);
    assert_eq!(open(&folder).await.status().await.unwrap().epoch, 1, "a confirmed store is no backup");
}

#[tokio::test]
async fn what_is_no_backup_is_refused_by_name_and_nothing_changes() {
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    SqliteStore::backup_file(&file(&folder), &copy_of(&folder)).await.unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "not a database, although it is long enough to have a header of one".repeat(99))
        .unwrap();
    Connection::open(path("other")).unwrap().execute_batch("CREATE TABLE x (y); PRAGMA user_version = 1").unwrap();
    std::fs::copy(copy_of(&folder), path("newer")).unwrap();
    Connection::open(path("newer")).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    std::fs::copy(copy_of(&folder), path("short")).unwrap();
    let short = std::fs::OpenOptions::new().write(true).open(path("short")).unwrap();
    short.set_len(short.metadata().unwrap().len() / 2).unwrap();
    let torn = std::fs::read(copy_of(&folder)).unwrap();
    std::fs::write(path("torn"), [&torn[..100], &vec![0xff; 8092], &torn[8192..]].concat()).unwrap();
    std::fs::copy(copy_of(&folder), path("half")).unwrap();
    Connection::open(path("half")).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();

    let cases = [
        ("nowhere", StoreErrorKind::NotFound, "there is no file"),
        ("text", StoreErrorKind::Corrupt, "no store of Graphium"),
        ("other", StoreErrorKind::Corrupt, "no store of Graphium"),
        ("newer", StoreErrorKind::Corrupt, "newer version"),
        ("short", StoreErrorKind::Corrupt, "not sound"),
        ("torn", StoreErrorKind::Corrupt, "not sound"),
        ("half", StoreErrorKind::Corrupt, "not sound"),
    ];
    for (name, kind, told) in cases {
        let error = SqliteStore::restore(&path(name), &file(&folder)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(told) && error.to_string().contains(name), "{name}: {error}");
        assert!(!error.to_string().contains("unfinished"), "{name}: {error}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains("unfinished") && !name.contains("restor")));
    assert_eq!(open(&folder).await.status().await.unwrap().epoch, 0);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone() {
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    other_connection(&folder).execute_batch("PRAGMA user_version = 999").unwrap();
    let settings = StoreSettings::default();
    let error = SqliteStore::open(&file(&folder), Arc::new(ManualClock::default()), settings).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_and_what_is_restored_from_it_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    SqliteStore::backup_file(&file(&folder), &copy_of(&folder)).await.unwrap();
    SqliteStore::restore(&copy_of(&folder), &file(&folder)).await.unwrap();
    for path in [copy_of(&folder), file(&folder)] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_backup_that_nobody_waits_for_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let text = "x".repeat(100_000);
    let large = || backup().with_payload(serde_json::json!({ "text": text }));
    for _ in 0..10 {
        store.submit(Submission::of("ann", (0..30).map(|_| large()))).await.unwrap();
    }
    store.close().await;
    let given_up = CancellationToken::new();
    given_up.cancel();
    let source = connection::of_store(&file(&folder)).unwrap();

    let copied = backup::copy(&source, &copy_of(&folder), backup::unless(&given_up));

    assert!(matches!(copied, Err(SqlError::GivenUp)));
    let finished = backup::finish(copied, &copy_of(&folder), &folder.path().join("named.db"));
    assert!(finished.is_err() && !copy_of(&folder).exists());
}

#[tokio::test]
async fn a_backup_whose_asker_leaves_is_whole_or_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    submit(&store).await;
    let to = copy_of(&folder);
    for polls in 1..4 {
        let mut asked = Box::pin(store.backup(&to));
        for _ in 0..polls {
            drop(futures::poll!(&mut asked));
            tokio::task::yield_now().await;
        }
        drop(asked);
        // The next one has its turn after what is left of that one.
        while store.backup(&folder.path().join(format!("{polls}.db"))).await.is_err() {}
        let unfinished = folder.path().join("copy.db.unfinished");
        while unfinished.exists() {
            tokio::task::yield_now().await;
        }
        if to.exists() {
            assert_eq!(SqliteStore::check(&to).await.unwrap(), []);
            std::fs::remove_file(&to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_backup_of_an_older_version_is_looked_through_and_restored() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let id = submit(&store).await;
    store.close().await;
    SqliteStore::backup_file(&file(&folder), &copy_of(&folder)).await.unwrap();
    let older = "DROP TABLE unreadable; ALTER TABLE task DROP COLUMN generation; PRAGMA user_version = 1";
    Connection::open(copy_of(&folder)).unwrap().execute_batch(older).unwrap();

    assert_eq!(SqliteStore::check(&copy_of(&folder)).await.unwrap(), []);
    SqliteStore::restore(&copy_of(&folder), &file(&folder)).await.unwrap();
    let store = open(&folder).await;
    assert!(store.status().await.unwrap().restored.is_some());
    assert_eq!(store.task(id).await.unwrap().id(), id);
}
