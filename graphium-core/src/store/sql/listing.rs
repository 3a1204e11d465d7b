//! The index behind the lists of one agent, type, stack or container, made some thousand tasks at a time.
//!
//! Kept with every task, it would have each commit write a page for each agent in it. A list takes what is indexed from
//! the index and goes through the few newest tasks that are not.

use rusqlite::{Connection, params};

use super::error::SqlError;
use super::load::signed;
use super::rows::count;

/// How many tasks are indexed at a time, and so how many a list may have to go through.
pub(super) const STRETCH: u64 = 8192;

/// The columns of a task that lists are narrowed by, the one with the fewest tasks to a value first.
pub(super) const FIELDS: [&str; 4] = ["container", "stack", "agent", "type"];

/// Up to which number tasks are indexed.
pub(super) fn listed_to(connection: &Connection) -> Result<u64, SqlError> {
    let question = "SELECT coalesce(max(value), 0) FROM counter WHERE kind = 'listed'";
    let listed = connection.prepare_cached(question)?.query_row([], |row| row.get(0))?;
    count("the end of the index", listed)
}

/// Indexes the next tasks, if there are enough of them up to `last`. Answers with the new end of the index.
pub(super) fn extend(connection: &Connection, listed: u64, last: u64) -> Result<u64, SqlError> {
    if last.saturating_sub(listed) < STRETCH {
        return Ok(listed);
    }
    let next = listed + STRETCH;
    let transaction = connection.unchecked_transaction()?;
    for field in FIELDS {
        let statement = format!(
            "INSERT INTO listing (field, value, number) SELECT '{field}', {field}, number FROM task
             WHERE number > ? AND number <= ? AND {field} IS NOT NULL ORDER BY {field}, number"
        );
        transaction.prepare_cached(&statement)?.execute(params![signed(listed), signed(next)])?;
    }
    let end = "INSERT INTO counter (kind, name, value) VALUES ('listed', '', ?)
               ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value";
    transaction.prepare_cached(end)?.execute([signed(next)])?;
    transaction.commit()?;
    Ok(next)
}
