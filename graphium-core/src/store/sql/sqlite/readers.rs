//! Connections that read beside the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::connection;
use super::database::{Snapshot, at_once, now};
use crate::store::sql::error::SqlError;
use crate::store::sql::read;
use crate::store::sql::record_cache::{Recall, RecordCache};
use crate::store::{Record, RecordKey, StoreError};

/// How many connections read at a time.
const READERS: usize = 2;
/// How long a free connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// After how many steps of a read the time is looked at.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;
/// How long a read may take: while it goes on, the log behind it cannot be taken into the database.
pub(super) const MAX_READ: Duration = Duration::from_secs(2);

/// A few connections, each used by one read at a time.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    path: PathBuf,
    cap: Duration,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    records: Arc<RecordCache>,
}

impl Readers {
    /// Readers of this file, whose reads are broken off after `cap`.
    pub(super) fn new(path: &Path, cap: Duration, records: Arc<RecordCache>) -> Self {
        let (permits, idle) = (Arc::new(Semaphore::new(READERS)), Arc::default());
        Self { path: path.to_owned(), cap, permits, idle, records }
    }

    /// Does a read, on a thread where it may block. All its questions see the same state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = timeout(ACQUIRE, Arc::clone(&self.permits).acquire_owned()).await.map_err(|_| SqlError::Slow)?;
        let permit = permit.map_err(|_| SqlError::Closed)?;
        let readers = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let answer = readers.read_now(read);
            drop(permit);
            answer
        });
        done.await.map_err(SqlError::Read)?
    }

    /// One record, from memory where it is remembered.
    pub(super) async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let asked = match self.records.recall(key) {
            Recall::Known(record) => return Ok(Some(record)),
            Recall::Unknown(asked) => asked,
        };
        let key = key.clone();
        let found = self.read(move |snapshot| now(read::record(snapshot, &key))).await?;
        if let Some(record) = &found {
            self.records.remember(asked, record);
        }
        Ok(found)
    }

    fn read_now<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| connection::reader(&self.path), Ok)?;
        let until = Instant::now() + self.cap;
        let cap = connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || Instant::now() >= until));
        cap.map_err(SqlError::from)?;
        let answer = at_once(&connection, read)?;
        // A connection on which something failed is not used again.
        self.idle().push(connection);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the reads that go on end, and none begin.
    pub(super) async fn close(&self) {
        if let Ok(all) = u32::try_from(READERS)
            && let Ok(permits) = self.permits.acquire_many(all).await
        {
            permits.forget();
        }
        self.permits.close();
        self.idle().clear();
        self.records.clear();
    }
}
