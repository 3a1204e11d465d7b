//! The thread that writes: it commits one batch while the queue prepares the next.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::{Connection, params};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::database::{at_once, now};
use super::write::write;
use super::{backup, checkpoint, connection};
use crate::id::Seq;
use crate::store::sql::batch::Batch;
use crate::store::sql::command::chain;
use crate::store::sql::error::SqlError;
use crate::store::sql::listing::{self, Listing};
use crate::store::sql::rows::signed;

/// How many pages of what was pruned are given back to the file system at a time.
const PAGES_GIVEN_BACK: u32 = 1024;

/// What the keeper is asked to do.
enum Job {
    Keep(Batch),
    /// Begin anew on a connection that is not in the middle of anything.
    Reopen(oneshot::Sender<Result<(), SqlError>>),
    /// Copy the database into this file, beside what else is to be done, until whoever wants it has given up.
    Copy(PathBuf, CancellationToken, CopyReply),
}

type CopyReply = oneshot::Sender<Result<Seq, SqlError>>;

/// Asks the keeper for copies, as long as it works.
#[derive(Debug, Clone)]
pub(super) struct Copies(mpsc::WeakUnboundedSender<Job>);

impl Copies {
    /// Asks for a copy in this file.
    pub(super) fn make(&self, to: PathBuf, given_up: CancellationToken, reply: CopyReply) -> Result<(), SqlError> {
        let jobs = self.0.upgrade().ok_or(SqlError::Closed)?;
        jobs.send(Job::Copy(to, given_up, reply)).map_err(|_| SqlError::Closed)
    }
}

/// The writing end of the file. Dropping it lets the thread end once it has done what it was asked.
#[derive(Debug)]
pub(super) struct Keeper {
    jobs: mpsc::UnboundedSender<Job>,
    /// What became of each batch, in order.
    kept: mpsc::UnboundedReceiver<Result<(), SqlError>>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keep(_) => "Keep",
            Self::Reopen(_) => "Reopen",
            Self::Copy(..) => "Copy",
        })
    }
}

struct Work {
    path: PathBuf,
    connection: Connection,
    checkpoints: RefCell<checkpoint::Checkpoints>,
    listing: RefCell<Listing>,
    /// Whether a batch was not kept, so that none after it may be.
    behind: Cell<bool>,
    /// Kept as long as the connection.
    _lock: File,
}

impl Keeper {
    /// Starts the thread.
    pub(super) fn start(path: PathBuf, connection: Connection, lock: File) -> Result<Self, SqlError> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (done, kept) = mpsc::unbounded_channel();
        let checkpoints = RefCell::new(checkpoint::Checkpoints::of(&path, checkpoint::Bounds::default()));
        let (listing, behind) =
            (RefCell::new(at_once(&connection, |snapshot| now(Listing::of(snapshot)))?), Cell::new(false));
        let work = Work { path, connection, checkpoints, listing, behind, _lock: lock };
        let thread = std::thread::Builder::new().name("graphium-keeper".into());
        let thread = thread.spawn(move || work.run(inbox, &done)).map_err(SqlError::Thread)?;
        Ok(Self { jobs, kept, thread })
    }

    /// Hands over a batch. What becomes of it is told by [`kept`](Self::kept).
    pub(super) fn keep(&self, batch: Batch) {
        // Without the thread there is nobody to tell either: `kept` says so.
        drop(self.jobs.send(Job::Keep(batch)));
    }

    /// Waits for the end of the oldest batch of which this has not told yet.
    ///
    /// # Cancel safety
    /// A dropped call has taken nothing.
    pub(super) async fn kept(&mut self) -> Result<(), SqlError> {
        self.kept.recv().await.unwrap_or(Err(SqlError::Closed))
    }

    /// Who asks for copies.
    pub(super) fn copies(&self) -> Copies {
        Copies(self.jobs.downgrade())
    }

    /// Begins anew after a batch that was not kept.
    pub(super) async fn reopen(&self) -> Result<(), SqlError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Reopen(reply)).map_err(|_| SqlError::Closed)?;
        answer.await.map_err(|_| SqlError::Closed)?
    }

    /// Waits until everything is done and the file is closed.
    pub(super) fn close(self) {
        drop(self.jobs);
        if self.thread.join().is_err() {
            tracing::error!("the thread that wrote the store panicked");
        }
    }
}

impl Work {
    fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Job>, done: &mpsc::UnboundedSender<Result<(), SqlError>>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| inbox.blocking_recv()) {
            match job {
                Job::Keep(batch) => self.keep_and_tell(&batch, done),
                Job::Reopen(reply) => drop(reply.send(self.reopen())),
                Job::Copy(to, given_up, reply) => {
                    let (copied, left) = self.copy(&to, &given_up, &mut inbox, done);
                    drop(reply.send(copied));
                    next = left;
                }
            }
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly; nothing is lost");
        }
    }

    fn keep_and_tell(&self, batch: &Batch, done: &mpsc::UnboundedSender<Result<(), SqlError>>) {
        // Nobody may wait any more; what was kept is kept.
        drop(done.send(self.keep(batch)));
        self.look_after(batch);
    }

    /// Copies the database; what is written meanwhile is in the copy. Answers also with a job that ended the copy and is
    /// still to be done.
    fn copy(
        &self,
        to: &Path,
        given_up: &CancellationToken,
        inbox: &mut mpsc::UnboundedReceiver<Job>,
        done: &mpsc::UnboundedSender<Result<(), SqlError>>,
    ) -> (Result<Seq, SqlError>, Option<Job>) {
        let (mut left, mut unless_given_up) = (None, backup::unless(given_up));
        let between = || {
            unless_given_up()?;
            loop {
                match inbox.try_recv() {
                    Ok(Job::Keep(batch)) => self.keep_and_tell(&batch, done),
                    Ok(Job::Copy(.., reply)) => drop(reply.send(Err(SqlError::Copying))),
                    Ok(job @ Job::Reopen(_)) => {
                        left = Some(job);
                        return Err(SqlError::Behind);
                    }
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => return Err(SqlError::Closed),
                }
            }
        };
        (backup::copy(&self.connection, to, between), left)
    }

    fn keep(&self, batch: &Batch) -> Result<(), SqlError> {
        if self.behind.get() {
            return Err(SqlError::Behind);
        }
        let kept = write(&self.connection, batch);
        self.behind.set(kept.is_err());
        kept
    }

    /// What is due now and then, and can wait when it fails.
    fn look_after(&self, batch: &Batch) {
        if self.behind.get() {
            return;
        }
        if let Err(error) = extend(&self.connection, &mut self.listing.borrow_mut(), batch.last_number) {
            tracing::warn!(error = %chain(&error), "the newest tasks could not be indexed yet");
        }
        if batch.prunes
            && let Err(error) = shrink(&self.connection)
        {
            tracing::warn!(error = %chain(&error), "the room that was pruned stays in the file for now");
        }
        self.checkpoints.borrow_mut().after_commit(&self.connection);
    }

    fn reopen(&mut self) -> Result<(), SqlError> {
        self.connection = connection::writer(&self.path)?;
        self.behind.set(false);
        Ok(())
    }
}

/// Goes on with the index of lists, where enough tasks are not in it.
fn extend(connection: &Connection, listing: &mut Listing, last_number: u64) -> Result<(), SqlError> {
    let Some(stretch) = listing.next(last_number) else { return Ok(()) };
    let transaction = connection.unchecked_transaction()?;
    transaction.prepare_cached(&stretch.entries())?.execute(params![signed(stretch.after), signed(stretch.last)])?;
    transaction.prepare_cached(listing::MARK)?.execute(params![stretch.field, signed(stretch.last)])?;
    transaction.commit()?;
    stretch.done();
    Ok(())
}

/// Makes the file smaller by some of the pages that nothing is in any more.
fn shrink(connection: &Connection) -> Result<(), SqlError> {
    let step = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})");
    let mut statement = connection.prepare_cached(&step)?;
    let mut rows = statement.query([])?;
    // Each step gives back a page.
    while rows.next()?.is_some() {}
    Ok(())
}
