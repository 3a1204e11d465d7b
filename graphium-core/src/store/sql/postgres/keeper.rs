//! Commits batches, each as one transaction: what begins it is sent at once, and then all the rest of it.

use std::collections::HashMap;

use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};

use super::ask::numbered;
use super::connection::{CALL, Session, begin};
use super::fault::Reach;
use super::seat::{self, FENCE, Seat};
use super::statement::{Array, arrays, types, words};
use crate::store::sql::batch::{Batch, Statement};
use crate::store::sql::error::SqlError;
use crate::store::sql::listing::{self, Listing};
use crate::store::sql::rows::signed;

/// The writing end of the database: one connection, under one term.
pub(super) struct Keeper {
    client: Session,
    seat: Seat,
    fence: tokio_postgres::Statement,
    prepared: HashMap<Statement, tokio_postgres::Statement>,
    listing: Listing,
    /// Whether a batch was not kept, so that none after it may be.
    behind: bool,
}

impl Keeper {
    /// Keeps on this connection what is decided under this term.
    pub(super) async fn new(client: Session, seat: Seat, listing: Listing) -> Result<Self, SqlError> {
        client.batch_execute(&begin()).in_time().await?;
        let fence = client.prepare_typed(FENCE, &[Type::INT8, Type::UUID]).in_time().await?;
        client.batch_execute("COMMIT").in_time().await?;
        Ok(Self { client, seat, fence, prepared: HashMap::new(), listing, behind: false })
    }

    /// Keeps what comes, and tells what became of it, until nobody hands over any more.
    pub(super) async fn run(
        mut self,
        mut batches: mpsc::UnboundedReceiver<Batch>,
        done: mpsc::UnboundedSender<Result<(), SqlError>>,
    ) {
        while let Some(batch) = batches.recv().await {
            let kept = if self.behind { Err(SqlError::Behind) } else { self.keep(&batch).await };
            self.behind |= kept.is_err();
            if done.send(kept).is_err() {
                return;
            }
            if !self.behind
                && let Err(error) = self.extend_listing(batch.last_number).await
            {
                // What comes next must not be in a transaction that is open still.
                self.behind = self.client.batch_execute("ROLLBACK").in_time().await.is_err();
                tracing::warn!(%error, "the newest tasks could not be indexed yet");
            }
        }
    }

    async fn keep(&mut self, batch: &Batch) -> Result<(), SqlError> {
        self.prepare(batch).await?;
        let mut parameters = Vec::new();
        for rows in batch.rows() {
            parameters.push(arrays(rows)?);
        }
        let fence: [&(dyn ToSql + Sync); 2] = [&self.seat.term, &self.seat.server];
        let begin = begin();
        let writes = batch.rows().iter().zip(&parameters).map(|(rows, values)| self.write(rows.statement, values));
        let all = async {
            // Requests are sent in the order in which they are first polled. Nothing is written before it is known that a
            // transaction has begun, and under this term; an empty batch shows that too.
            let (begun, fenced) =
                futures::join!(self.client.batch_execute(&begin), self.client.execute(&self.fence, &fence));
            begun?;
            fenced.map_err(|error| if seat::is_over(&error) { SqlError::Unseated } else { error.into() })?;
            // None of these waits for the answer to another.
            let (written, committed) = futures::join!(join_all(writes), self.client.batch_execute("COMMIT"));
            written.into_iter().collect::<Result<Vec<_>, _>>()?;
            // After an error a commit rolls back and is none; without one it is.
            committed.map_err(lost)
        };
        timeout(CALL, all).await.map_err(|source| SqlError::Unsure { source: source.into() })?
    }

    async fn write(&self, statement: Statement, values: &[Array<'_>]) -> Result<(), SqlError> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
        let prepared = self.prepared.get(&statement).ok_or(SqlError::Behind)?;
        self.client.execute(prepared, &values).await.map_err(lost)?;
        Ok(())
    }

    /// Goes on with the index of lists, where enough tasks are not in it.
    async fn extend_listing(&mut self, last_number: u64) -> Result<(), SqlError> {
        let Some(stretch) = self.listing.next(last_number) else { return Ok(()) };
        let (after, last) = (signed(stretch.after), signed(stretch.last));
        self.client.batch_execute(&begin()).in_time().await?;
        let fence: [&(dyn ToSql + Sync); 2] = [&self.seat.term, &self.seat.server];
        self.client.execute(&self.fence, &fence).in_time().await?;
        let entries = [(&after as &(dyn ToSql + Sync), Type::INT8), (&last, Type::INT8)];
        self.client.query_typed(&numbered(&stretch.entries()), &entries).in_time().await?;
        let mark = [(&stretch.field as &(dyn ToSql + Sync), Type::TEXT), (&last, Type::INT8)];
        self.client.query_typed(&numbered(listing::MARK), &mark).in_time().await?;
        self.client.batch_execute("COMMIT").in_time().await?;
        stretch.done();
        Ok(())
    }

    /// Prepares what the batch needs and no batch before has needed.
    async fn prepare(&mut self, batch: &Batch) -> Result<(), SqlError> {
        let missing = batch.rows().iter().map(|rows| rows.statement).filter(|kind| !self.prepared.contains_key(kind));
        let mut missing: Vec<_> = missing.collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        // The names of the tables are looked up when a statement is prepared.
        self.client.batch_execute(&begin()).in_time().await?;
        for kind in missing {
            let prepared = self.client.prepare_typed(&words(kind), &types(kind)).in_time().await?;
            self.prepared.insert(kind, prepared);
        }
        self.client.batch_execute("COMMIT").in_time().await
    }
}

/// The error of a request that was sent together with the commit. Without a word of the server nobody knows what became of it.
fn lost(error: tokio_postgres::Error) -> SqlError {
    match error.code() {
        Some(_) => error.into(),
        None => SqlError::Unsure { source: error.into() },
    }
}
