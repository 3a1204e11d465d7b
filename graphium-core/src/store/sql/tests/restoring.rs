//! Backups, and what becomes of a store that was restored from one.

use super::*;

fn copy_of(folder: &TempDir) -> std::path::PathBuf {
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
