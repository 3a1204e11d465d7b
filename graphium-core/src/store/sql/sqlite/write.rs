//! Writing a batch as one transaction.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::statement::words;

use crate::store::sql::batch::{Batch, Value};
use crate::store::sql::error::SqlError;

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

/// Values are bound without a copy.
impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
        }))
    }
}

fn rows(connection: &Connection, batch: &Batch) -> Result<(), SqlError> {
    for rows in batch.rows() {
        let mut statement = connection.prepare_cached(words(rows.statement))?;
        for row in rows.iter() {
            statement.execute(params_from_iter(row))?;
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
