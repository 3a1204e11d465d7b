//! What a writer needs of the database behind it.

use std::future::Future;

use super::batch::Batch;
use super::error::SqlError;
use super::inbox::Letter;
use crate::clock::Timestamp;
use crate::store::engine::{Engine, Loaded, Needs};

/// The database of one writer. Batches are kept in the order in which they are handed over, and once one was not kept, none
/// is until the database was [reopened](Self::reopen).
///
/// # Cancel safety
/// Only [`kept`](Self::kept) is dropped before its end: a dropped call has taken nothing.
pub(super) trait Database: Send + Sized + 'static {
    /// Hands over a batch. What becomes of it is told by [`kept`](Self::kept).
    fn keep(&mut self, batch: Batch);

    /// Waits for the end of the oldest batch of which this has not told yet.
    fn kept(&mut self) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Whether nobody else can have begun to decide meanwhile, so that what changes nothing may be answered without a commit.
    fn is_sure(&self) -> bool;

    /// Begins anew, on connections that are not in the middle of anything: what is read from then on is what is kept, and
    /// no batch that was handed over before is kept any more.
    fn reopen(&mut self) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Reads everything that is open into an empty engine.
    fn restore(&mut self, engine: &mut Engine) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Until when the backup that this is knows what happened; none when it is no backup.
    fn backup_at(&mut self) -> impl Future<Output = Result<Option<Timestamp>, SqlError>> + Send;

    /// Reads what commands look at.
    fn fetch(&mut self, needs: Needs) -> impl Future<Output = Result<Loaded, SqlError>> + Send;

    /// Letters of the inbox, the oldest first. None when the inbox cannot have changed since the last look, unless this
    /// looks `again`.
    fn letters(&mut self, again: bool) -> impl Future<Output = Result<Vec<Letter>, SqlError>> + Send;

    /// Waits until everything is done and lets go of the database.
    fn close(self) -> impl Future<Output = ()> + Send;
}
