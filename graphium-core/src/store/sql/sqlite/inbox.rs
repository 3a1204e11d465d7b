//! Looking into the inbox, when somebody else has written to the file.

use rusqlite::Connection;

use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::{LETTERS, Letter};
use crate::store::sql::rows::signed;

/// When somebody has written to the file since the last look, what is in the inbox.
pub(super) fn look(connection: &Connection, seen: &mut Option<i64>) -> Result<Vec<Letter>, SqlError> {
    let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
    if *seen == Some(version) {
        return Ok(Vec::new());
    }
    let question = "SELECT key, json FROM inbox ORDER BY rowid LIMIT ?";
    let mut statement = connection.prepare_cached(question)?;
    let read = |row: &rusqlite::Row<'_>| Ok(Letter { key: row.get("key")?, json: row.get("json")? });
    let letters = statement.query_map([signed(LETTERS)], read)?.collect::<Result<_, _>>()?;
    *seen = Some(version);
    Ok(letters)
}
