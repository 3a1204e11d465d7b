//! Writing a batch as one transaction.

use rusqlite::Connection;

use super::batch::Batch;
use super::error::SqlError;

/// How many prepared statements a connection keeps.
pub(super) const STATEMENTS: usize = 64;

/// Writes all rows of a batch, or none. However large the batch, it takes no more than one statement of each kind, prepared
/// once in the life of the connection.
pub(super) fn write(connection: &Connection, batch: &Batch) -> Result<(), SqlError> {
    if batch.is_empty() {
        return Ok(());
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let written = rows(connection, batch).and_then(|()| Ok(connection.prepare_cached("COMMIT")?.execute([])?));
    if let Err(error) = written {
        roll_back(connection);
        return Err(error);
    }
    Ok(())
}

fn rows(connection: &Connection, batch: &Batch) -> Result<(), SqlError> {
    for rows in batch.rows() {
        let mut statement = connection.prepare_cached(rows.statement)?;
        for row in rows.iter() {
            statement.execute(row)?;
        }
    }
    Ok(())
}

/// Leaves the transaction. SQLite may have left it by itself, as it does when the disk is full.
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction that failed could not be rolled back");
    }
}
