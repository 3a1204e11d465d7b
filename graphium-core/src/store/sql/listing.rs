//! The index behind the lists of one agent, type, stack or container, made some thousand tasks at a time.
//!
//! Kept with every task, it would have each commit write a page for each agent in it. Made for one field at a time, it holds
//! up the commits after it the less. A list takes what is indexed from the index and goes through the few newest tasks that
//! are not.

use super::ask::{Ask, Question};
use super::error::SqlError;
use super::rows::{FIELDS, count};

/// How many tasks are indexed at a time, and so how many a list may have to go through.
pub(super) const STRETCH: u64 = 8192;

/// Up to which number tasks are indexed by each field.
#[derive(Debug)]
pub(super) struct Listing {
    ends: [u64; FIELDS.len()],
}

/// What is to be indexed next.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    pub(super) field: &'static str,
    /// The number before the first.
    pub(super) after: u64,
    pub(super) last: u64,
    end: &'a mut u64,
}

impl Listing {
    /// As it stands in the database.
    pub(super) async fn of(ask: &impl Ask) -> Result<Self, SqlError> {
        let mut ends = [0; FIELDS.len()];
        for (end, field) in ends.iter_mut().zip(FIELDS) {
            *end = listed_to(ask, field).await?;
        }
        Ok(Self { ends })
    }

    /// The field that is furthest behind, if there are enough tasks up to `last`.
    pub(super) fn next(&mut self, last: u64) -> Option<Stretch<'_>> {
        let (end, field) = self.ends.iter_mut().zip(FIELDS).min_by_key(|(end, _)| **end)?;
        let after = *end;
        (last.saturating_sub(after) >= STRETCH).then_some(Stretch { field, after, last: after + STRETCH, end })
    }
}

impl Stretch<'_> {
    /// Adds the entries, for tasks whose numbers are above the first value and not above the second.
    pub(super) fn entries(&self) -> String {
        let field = self.field;
        format!(
            "INSERT INTO listing (field, value, number) SELECT '{field}', {field}, number FROM task
             WHERE number > ? AND number <= ? AND {field} IS NOT NULL ORDER BY {field}, number"
        )
    }

    /// It is in the index.
    pub(super) fn done(self) {
        *self.end = self.last;
    }
}

/// Keeps the end of the index by a field.
pub(super) const MARK: &str = "
    INSERT INTO counter (kind, name, value) VALUES ('listed', ?, ?)
    ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value";

/// Up to which number tasks are indexed by this field.
pub(super) async fn listed_to(ask: &impl Ask, field: &str) -> Result<u64, SqlError> {
    let question = "SELECT coalesce(max(value), 0) AS value FROM counter WHERE kind = 'listed' AND name = ?";
    let question = Question::new(question).with([field.to_owned().into()]);
    let listed = ask.ask(&question, |row| count("the end of an index", row.integer("value")?)).await?;
    Ok(listed.into_iter().next().unwrap_or(0))
}
