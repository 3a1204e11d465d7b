//! A store of which nobody wants anything does nothing.

use super::*;

fn version(connection: &Connection) -> i64 {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_claim_that_waits_and_gets_nothing_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let session = SessionId::generate();
    store.claim(&vm1(), asking(session, Duration::ZERO)).await.unwrap();
    let other = other_connection(&folder);
    let before = version(&other);

    // Longer than the time between two looks into the inbox.
    let answer = store.claim(&vm1(), asking(session, crate::store::sql::inbox::LOOK * 2)).await.unwrap();

    assert_eq!(answer.claims, []);
    assert_eq!(version(&other), before);
}

#[tokio::test]
async fn the_inbox_is_not_read_before_somebody_else_has_written() {
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    let (reader, other) = (other_connection(&folder), other_connection(&folder));
    let mut seen = None;
    assert_eq!(inbox::look(&reader, &mut seen).unwrap().len(), 0);

    // What this connection does itself is no news to it: a look would miss the table.
    reader.execute_batch("ALTER TABLE inbox RENAME TO elsewhere").unwrap();
    assert_eq!(inbox::look(&reader, &mut seen).unwrap().len(), 0);
    reader.execute_batch("ALTER TABLE elsewhere RENAME TO inbox").unwrap();

    put_in_inbox(&other, "a", "{}");
    assert_eq!(inbox::look(&reader, &mut seen).unwrap().len(), 1);
}
