//! The SQLite store: one file, one writer with group commit, readers beside it.
//!
//! The rules are the engine's; this folder only keeps what the engine changed and brings back what it needs. Nothing
//! outside this folder names a type of the driver.

mod backup;
mod check;
mod checkpoint;
mod connection;
mod database;
mod fault;
mod files;
mod inbox;
mod keeper;
mod readers;
mod restore;
mod row;
mod statement;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use self::check::StoreFinding;
use self::database::{SqliteDatabase, at_once, now};
use self::keeper::Copies;
use self::readers::{MAX_READ, Readers};
use crate::clock::{Clock, Timestamp};
use crate::event::Event;
use crate::id::{AgentId, Seq, TaskId};
use crate::store::page::{check_events, check_filter, check_limit};
use crate::store::reply::Reply;
use crate::store::sql::command::Command;
use crate::store::sql::error::SqlError;
use crate::store::sql::writer::{self, QUEUE, Setup, Writer};
use crate::store::sql::{due, read};
use crate::store::steady::SteadyClock;
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, EventFilter, Host, InventoryReport, Page, PageRequest, Pruned, Record,
    RecordKey, RecordKind, Retention, StoreError, StoreSettings, StoreStatus, Submission, Submitted, TaskFilter,
    TaskHistory, TaskStats, TaskStore,
};
use crate::task::Task;

/// A [`TaskStore`] in one SQLite file.
///
/// What is acknowledged survives a crash of the process and of the machine (WAL, `synchronous=FULL`). One process at a
/// time has the file; a lock file beside it refuses a second one. Unsettled tasks are held in memory.
///
/// Another program that writes to the same file, or the same one with its own connection, can submit inside its own
/// transaction: it inserts a row into the table `inbox (key, json)`, whose JSON is a task or a list of tasks as
/// [`SubmitTask`](crate::task::SubmitTask) reads them. Several times a second the store takes what has been committed
/// there. A letter that it refuses moves to `inbox_refused (key, json, error, refused_at)`. In one process both must use the
/// same SQLite library (`libsqlite3-sys` 0.37 here): two copies of it lose each other's locks.
///
/// It works on two threads of its own: one decides, the other commits what has queued up meanwhile. A simulation under a
/// paused tokio clock uses the [`MemoryStore`](crate::store::MemoryStore): that clock would jump over the time of these threads.
#[derive(Debug)]
pub struct SqliteStore {
    writer: mpsc::Sender<Command>,
    readers: Readers,
    copies: Copies,
    head: watch::Receiver<Seq>,
    closing: CancellationToken,
    /// Ends when the writer has ended.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl SqliteStore {
    /// Opens the store in this file, which is made if it is missing.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when the file cannot be opened;
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when another process has it;
    /// [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt) when it holds something else, or is of a newer version.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>, settings: StoreSettings) -> Result<Self, StoreError> {
        Self::open_with_seed(path, clock, settings, rand::random()).await
    }

    /// Opens the store so that its backoffs are the same for the same seed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_seed(
        path: &Path,
        clock: Arc<dyn Clock>,
        settings: StoreSettings,
        seed: u64,
    ) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || SqliteDatabase::open(&file)).await;
        let database = opened.map_err(SqlError::Read)??;
        let (sender, inbox) = mpsc::channel(QUEUE);
        let (copies, closing) = (database.copies(), CancellationToken::new());
        let (head, records) = (watch::Sender::new(Seq(0)), Arc::default());
        let readers = Readers::new(path, MAX_READ, Arc::clone(&records));
        let kept = head.clone();
        let setup = Setup { clock: Arc::new(SteadyClock::new(clock)), settings, seed, head, records };
        let (mut inbox, until) = (inbox, closing.clone());
        let work = async move |started: oneshot::Sender<_>| match Writer::open(setup, database).await {
            Ok(writer) => {
                // Whoever opens it may have left: then nobody asks for anything, and it ends.
                drop(started.send(Ok(())));
                writer.run(&mut inbox, &until).await;
            }
            Err(error) => drop(started.send(Err(error))),
        };
        let ((), ended) = writer::on_own_thread(work).await?;
        Ok(Self { writer: sender, readers, copies, head: kept.subscribe(), closing, ended: Mutex::new(Some(ended)) })
    }

    /// Makes a backup: a copy of the whole store in a new file, while the store goes on. Answers with the newest event in
    /// it. The copy is looked through before it gets its name, and a store that opens it knows that it was restored.
    ///
    /// # Errors
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when the file is there already;
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when it cannot be written, or the store had to go
    /// back to what is kept meanwhile: try again.
    ///
    /// # Cancel safety
    /// A dropped call leaves the whole backup or nothing.
    pub async fn backup(&self, to: &Path) -> Result<Seq, StoreError> {
        let (to, given_up) = (to.to_owned(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        let unfinished = backup::unfinished(&to)?;
        let (reply, answer) = oneshot::channel();
        self.copies.make(unfinished.clone(), given_up.clone(), reply)?;
        // Whoever asked may leave, and what there is by then is cleared away all the same.
        let made = tokio::task::spawn_blocking(move || {
            let copied = answer.blocking_recv().unwrap_or(Err(SqlError::Closed));
            let wanted = copied.and_then(|head| backup::unless(&given_up)().map(|()| head));
            backup::finish(wanted, &unfinished, &to)
        });
        Ok(made.await.map_err(SqlError::Read)??)
    }

    /// Makes the same backup of a store's file from outside, whether a process has the store open or not.
    ///
    /// # Errors
    /// As [`backup`](Self::backup); [`StoreErrorKind::NotFound`](crate::store::StoreErrorKind::NotFound) when there is no such
    /// file, [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt) when it is no store's,
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) also when a restore of it was cut short.
    ///
    /// # Cancel safety
    /// A dropped call leaves the whole backup or nothing.
    pub async fn backup_file(database: &Path, to: &Path) -> Result<Seq, StoreError> {
        let (database, to, given_up) = (database.to_owned(), to.to_owned(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        let made = tokio::task::spawn_blocking(move || {
            let source = connection::of_store(&database)?;
            let unfinished = backup::unfinished(&to)?;
            // One reading from beginning to end: commits of others would make it begin again.
            let snapshot = source.unchecked_transaction()?;
            let copied = backup::copy(&snapshot, &unfinished, backup::unless(&given_up));
            backup::finish(copied, &unfinished, &to)
        });
        Ok(made.await.map_err(SqlError::Read)??)
    }

    /// Looks through a store's file for what does not belong together. A store that works on it goes on meanwhile.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when the file cannot be read, or a restore of it
    /// was cut short; [`StoreErrorKind::NotFound`](crate::store::StoreErrorKind::NotFound) when there is none,
    /// [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt) when it is no store's.
    pub async fn check(database: &Path) -> Result<Vec<StoreFinding>, StoreError> {
        let database = database.to_owned();
        let looked = tokio::task::spawn_blocking(move || check::look(&connection::of_store(&database)?));
        Ok(looked.await.map_err(SqlError::Read)??)
    }

    /// Counts what [`prune`](TaskStore::prune) would remove of a store's file, all told, if it kept things for so long. Changes
    /// nothing, whether a process has the store open or not.
    ///
    /// # Errors
    /// As [`check`](Self::check); [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when the file is of an
    /// older version.
    pub async fn prunable(database: &Path, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        let database = database.to_owned();
        let count = move || {
            let connection = connection::of_store_up_to_date(&database)?;
            at_once(&connection, |snapshot| database::now(due::count_all(snapshot, &retention, now)))
        };
        let counted = tokio::task::spawn_blocking(count);
        Ok(counted.await.map_err(SqlError::Read)??)
    }

    /// Puts a backup in the place of a store's file, which no process may have open. What was there is kept beside it, in
    /// the folder that is answered: `.before-restore-1` after the name of the file, then `-2`; none is ever replaced.
    ///
    /// A process that has it as a store is noticed, and the restore refused. Another program that has the file open, to read
    /// or for the `inbox`, is not: stop it before, since what it writes from then on is in what is kept, or lost.
    ///
    /// Whenever the process or the machine ends in the middle, the old store is whole or the restored one is. The next who
    /// opens the store, or repeats the restore, finishes what was cut short.
    ///
    /// # Errors
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when a process has the store open, or the file is no
    /// backup; [`StoreErrorKind::NotFound`](crate::store::StoreErrorKind::NotFound) when there is none;
    /// [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt) when it is not sound or of a newer version;
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when files cannot be read or written. But for
    /// the last, nothing has changed then.
    ///
    /// # Cancel safety
    /// A dropped call has put the backup in place or has changed nothing.
    pub async fn restore(backup: &Path, database: &Path) -> Result<Option<PathBuf>, StoreError> {
        let (backup, database, given_up) = (backup.to_owned(), database.to_owned(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        let restored = tokio::task::spawn_blocking(move || restore::put_back(&backup, &database, &given_up));
        Ok(restored.await.map_err(SqlError::Read)??)
    }

    /// Commits what has been asked, ends the claims that wait, and closes the file. Later calls are refused.
    pub async fn close(&self) {
        self.closing.cancel();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // It answers by being dropped.
            drop(ended.await);
        }
        self.readers.close().await;
    }

    /// Asks the writer, which goes on whatever becomes of the asker.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command + Send) -> Result<T, StoreError> {
        let (reply, answer) = Reply::channel();
        self.writer.send(command(reply)).await.map_err(|_| SqlError::Closed)?;
        answer.await.map_err(|_| SqlError::Closed)?
    }
}

#[async_trait]
impl AgentStore for SqliteStore {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.ask(|reply| Command::Claim(agent.clone(), request, reply)).await
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.ask(|reply| Command::Inventory(agent.clone(), report, reply)).await
    }
}

#[async_trait]
impl TaskStore for SqliteStore {
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError> {
        self.ask(|reply| Command::Submit(submission, reply)).await
    }

    async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        self.readers.read(move |snapshot| now(read::task(snapshot, id))).await
    }

    async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError> {
        check_limit(page.limit)?;
        check_filter(&filter)?;
        self.readers.read(move |snapshot| now(read::tasks(snapshot, filter, page))).await
    }

    async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError> {
        self.readers.read(move |snapshot| now(read::history(snapshot, id))).await
    }

    async fn cancel(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.ask(|reply| Command::Cancel(id, by.to_owned(), reply)).await
    }

    async fn retry(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.ask(|reply| Command::Retry(id, by.to_owned(), reply)).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        self.readers.record(key).await
    }

    async fn records(&self, kind: RecordKind, prefix: &str, page: PageRequest) -> Result<Page<Record>, StoreError> {
        check_limit(page.limit)?;
        let prefix = prefix.to_owned();
        self.readers.read(move |snapshot| now(read::records(snapshot, kind, &prefix, &page))).await
    }

    async fn events(&self, after: Seq, filter: EventFilter, limit: usize) -> Result<(Vec<Event>, Seq), StoreError> {
        check_events(limit)?;
        self.readers.read(move |snapshot| now(read::events(snapshot, after, &filter, limit))).await
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.head.clone()
    }

    async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        self.ask(Command::Hosts).await
    }

    async fn stats(&self) -> Result<TaskStats, StoreError> {
        self.ask(Command::Stats).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.ask(Command::Sweep).await
    }

    async fn prune(&self) -> Result<Pruned, StoreError> {
        self.ask(Command::Prune).await
    }

    async fn status(&self) -> Result<StoreStatus, StoreError> {
        self.ask(Command::Status).await
    }

    async fn confirm_restore(&self, by: &str) -> Result<StoreStatus, StoreError> {
        self.ask(|reply| Command::Confirm(by.to_owned(), reply)).await
    }
}
