//! Questions within one transaction.

use std::borrow::Cow;

use tokio_postgres::types::{ToSql, Type};

use super::connection::{Readers, Reading};
use super::fault::Reach;
use super::row::kept;
use crate::store::StoreError;
use crate::store::sql::ask::{Ask, Question, Words};
use crate::store::sql::batch::Value;
use crate::store::sql::error::SqlError;
use crate::store::sql::rows::Row;

/// One state of the database.
#[derive(Debug)]
pub(super) struct Snapshot(Reading);

impl Snapshot {
    pub(super) async fn begin(readers: &Readers) -> Result<Self, SqlError> {
        readers.begin().await.map(Self)
    }

    pub(super) async fn end(self) -> Result<(), SqlError> {
        self.0.end().await
    }

    async fn rows(&self, question: &Question) -> Result<Vec<tokio_postgres::Row>, SqlError> {
        let text = numbered(question.text());
        let texts: Vec<_> = question
            .values()
            .iter()
            .map(|value| match value {
                Value::Text(text) => kept(text),
                Value::Null | Value::Integer(_) | Value::Id(_) => Cow::Borrowed(""),
            })
            .collect();
        let values = question.values().iter().zip(&texts).map(|(value, text)| -> (&(dyn ToSql + Sync), Type) {
            match value {
                // What may be left out is a number or an instant.
                Value::Null => (&None::<i64>, Type::INT8),
                Value::Integer(number) => (number, Type::INT8),
                Value::Text(_) => (text, Type::TEXT),
                Value::Id(id) => (id, Type::UUID),
            }
        });
        let values: Vec<_> = values.collect();
        self.0.client.query_typed(&text, &values).in_time().await
    }

    /// Two columns of text that others have written, as they stand there.
    pub(super) async fn ask_raw<T>(
        &self,
        question: &Question,
        read: impl Fn(String, String) -> T,
    ) -> Result<Vec<T>, SqlError> {
        let rows = self.rows(question).await?;
        rows.iter().map(|row| Ok(read(row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Ends with what was found. An answer that was read stays one, whatever becomes of the connection.
    pub(super) async fn answer<T>(self, found: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = self.end().await {
            tracing::debug!(%error, "a connection of a read is not used again");
        }
        found
    }
}

/// The words of PostgreSQL, which chooses its indexes by itself.
const WORDS: Words = Words {
    by_open: "",
    by_failed: "",
    by_cancelled: "",
    by_settled: "",
    ids: "(SELECT word::uuid AS id FROM json_array_elements_text(?::json) AS listed (word)) AS wanted",
    words: "json_array_elements_text(?::json) AS wanted (word)",
    task_of_event: "task",
};

impl Ask for Snapshot {
    const WORDS: Words = WORDS;

    async fn ask<T>(
        &self,
        question: &Question,
        read: impl Fn(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        self.rows(question).await?.iter().map(|row| read(row)).collect()
    }
}

/// The same question with its places as PostgreSQL counts them.
pub(super) fn numbered(text: &str) -> String {
    let (mut out, mut place) = (String::with_capacity(text.len() + 16), 0);
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        out.push(if next == '?' { '$' } else { next });
        if next == '?' && !rest.peek().is_some_and(char::is_ascii_digit) {
            place += 1;
            out.push_str(&place.to_string());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one_and_those_with_a_number_keep_it() {
        assert_eq!(numbered("a = ? AND b < ?"), "a = $1 AND b < $2");
        assert_eq!(numbered("a = ?1 OR ?1 IS NULL OR b = ?12"), "a = $1 OR $1 IS NULL OR b = $12");
    }
}
