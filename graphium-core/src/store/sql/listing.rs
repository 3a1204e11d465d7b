//! The index behind the lists of one agent, type, stack or container, made some thousand tasks at a time.
//!
//! Kept with every task, it would have each commit write a page for each agent in it. Made for one field at a time, it holds
//! up the commits after it the less. A list takes what is indexed from
//! the index and goes through the few newest tasks that are not.

use rusqlite::{Connection, params};

use super::error::SqlError;
use super::load::signed;
use super::rows::count;

/// How many tasks are indexed at a time, and so how many a list may have to go through.
pub(super) const STRETCH: u64 = 8192;

/// The columns of a task that lists are narrowed by, the one with the fewest tasks to a value first.
pub(super) const FIELDS: [&str; 4] = ["container", "stack", "agent", "type"];

/// Up to which number tasks are indexed by each field.
#[derive(Debug)]
pub(super) struct Listing {
    ends: [u64; FIELDS.len()],
}

impl Listing {
    /// As it stands in the database.
    pub(super) fn of(connection: &Connection) -> Result<Self, SqlError> {
        let mut ends = [0; FIELDS.len()];
        for (end, field) in ends.iter_mut().zip(FIELDS) {
            *end = listed_to(connection, field)?;
        }
        Ok(Self { ends })
    }

    /// Indexes the next tasks by the field that is furthest behind, if there are enough of them up to `last`.
    pub(super) fn extend(&mut self, connection: &Connection, last: u64) -> Result<(), SqlError> {
        let behind = self.ends.iter_mut().zip(FIELDS).min_by_key(|(end, _)| **end);
        if let Some((end, field)) = behind.filter(|(end, _)| last.saturating_sub(**end) >= STRETCH) {
            let next = *end + STRETCH;
            index(connection, field, *end, next)?;
            *end = next;
        }
        Ok(())
    }
}

/// Up to which number tasks are indexed by this field.
pub(super) fn listed_to(connection: &Connection, field: &str) -> Result<u64, SqlError> {
    let question = "SELECT coalesce(max(value), 0) FROM counter WHERE kind = 'listed' AND name = ?";
    let listed = connection.prepare_cached(question)?.query_row([field], |row| row.get(0))?;
    count("the end of an index", listed)
}

fn index(connection: &Connection, field: &str, after: u64, end: u64) -> Result<(), SqlError> {
    let transaction = connection.unchecked_transaction()?;
    let entries = format!(
        "INSERT INTO listing (field, value, number) SELECT '{field}', {field}, number FROM task
         WHERE number > ? AND number <= ? AND {field} IS NOT NULL ORDER BY {field}, number"
    );
    transaction.prepare_cached(&entries)?.execute(params![signed(after), signed(end)])?;
    let mark = "INSERT INTO counter (kind, name, value) VALUES ('listed', ?, ?)
                ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value";
    transaction.prepare_cached(mark)?.execute(params![field, signed(end)])?;
    Ok(transaction.commit()?)
}
