//! Who decides: one server at a time, under a term that only grows.
//!
//! A server that wants the seat takes it when it is free, or when whoever has it was not seen for [`UNSEEN`] by the clock of
//! the database. Whoever has it is seen every [`SEEN_EVERY`], and shows its term in each of its commits: after another
//! server has taken the seat, none of the former one is kept. Nothing but a row of a table is used for it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::connection::in_transaction;
use crate::store::sql::error::SqlError;

/// How often whoever has the seat shows that it is there.
pub(super) const SEEN_EVERY: Duration = Duration::from_secs(1);
/// After how long without a sign of it somebody else takes the seat.
pub(super) const UNSEEN: Duration = Duration::from_secs(5);
/// How long whoever has just shown that it is there is sure of the seat: clocks do not run quite alike.
const SURE: Duration = Duration::from_secs(4);
const _: () = assert!(SURE.as_millis() < UNSEEN.as_millis(), "nobody is sure of a seat that another may take");

/// Shows that this is still the term, and that no other server takes the seat before the transaction is over.
pub(super) const FENCE: &str = "
    WITH held AS MATERIALIZED (SELECT 1 FROM seat WHERE term = $1 AND server = $2 FOR SHARE)
    SELECT 1 / count(*) FROM held";

/// Whether anybody may take the seat; 5000 is [`UNSEEN`].
pub(super) const FREE: &str = "(server IS NULL OR seen_at < clock_timestamp() - interval '5000 milliseconds')";

/// A seat that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) term: i64,
    pub(super) server: Uuid,
    /// Until when nobody else can have taken it.
    pub(super) safe_until: Instant,
}

/// Takes the seat, if it is to be had.
pub(super) async fn take(client: &Client, server: Uuid, name: &str) -> Result<Option<Seat>, SqlError> {
    let question = format!(
        "UPDATE seat SET term = term + 1, server = $1, name = $2, seen_at = clock_timestamp()
         WHERE server = $1 OR {FREE} RETURNING term"
    );
    // From before the instant at which the database looked at its clock.
    let began = Instant::now();
    let rows = in_transaction(client, &question, &[(&server, Type::UUID), (&name, Type::TEXT)]).await?;
    let term = rows.first().map(|row| row.get("term"));
    Ok(term.map(|term| Seat { term, server, safe_until: began + SURE }))
}

impl Seat {
    /// Shows that whoever has it is there.
    pub(super) async fn show(&mut self, client: &Client) -> Result<(), SqlError> {
        let began = Instant::now();
        let question = "UPDATE seat SET seen_at = clock_timestamp() WHERE term = $1 AND server = $2 RETURNING term";
        let rows = in_transaction(client, question, &self.named()).await?;
        if rows.is_empty() {
            return Err(SqlError::Unseated);
        }
        self.safe_until = began + SURE;
        Ok(())
    }

    /// Its term and its server, as a question takes them.
    fn named(&self) -> [(&(dyn ToSql + Sync), Type); 2] {
        [(&self.term, Type::INT8), (&self.server, Type::UUID)]
    }

    /// Leaves it to whoever comes first.
    pub(super) async fn leave(&self, client: &Client) -> Result<(), SqlError> {
        let question = "UPDATE seat SET server = NULL WHERE term = $1 AND server = $2 RETURNING term";
        in_transaction(client, question, &self.named()).await.map(drop)
    }
}

/// Whether an error is that of a commit whose term is over.
pub(super) fn is_over(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::DIVISION_BY_ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_seat_say_how_long_nobody_may_be_seen() {
        assert!(FREE.contains(&format!("{} milliseconds", UNSEEN.as_millis())));
    }
}
