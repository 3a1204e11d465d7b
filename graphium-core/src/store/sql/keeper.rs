//! The thread that writes: it commits one batch while the queue prepares the next.

use std::fs::File;
use std::path::PathBuf;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::command::chain;
use super::error::SqlError;
use super::write::write;
use super::{checkpoint, connection, listing};

/// How many pages of what was pruned are given back to the file system at a time.
const PAGES_GIVEN_BACK: u32 = 1024;

/// What the keeper is asked to do.
enum Job {
    Keep(Batch),
    /// Begin anew on a connection that is not in the middle of anything.
    Reopen(oneshot::Sender<Result<(), SqlError>>),
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
        })
    }
}

struct Work {
    path: PathBuf,
    connection: Connection,
    checkpoints: checkpoint::Checkpoints,
    /// Up to which number tasks are in the index of lists.
    listed: u64,
    /// Whether a batch was not kept, so that none after it may be.
    behind: bool,
    /// Kept as long as the connection.
    _lock: File,
}

impl Keeper {
    /// Starts the thread.
    pub(super) fn start(path: PathBuf, connection: Connection, lock: File) -> Result<Self, SqlError> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (done, kept) = mpsc::unbounded_channel();
        let (checkpoints, listed) = (checkpoint::Checkpoints::of(&path), listing::listed_to(&connection)?);
        let work = Work { path, connection, checkpoints, listed, behind: false, _lock: lock };
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
        while let Some(job) = inbox.blocking_recv() {
            match job {
                Job::Keep(batch) => {
                    let kept = self.keep(&batch);
                    // Nobody may wait any more; what was kept is kept.
                    drop(done.send(kept));
                    self.look_after(&batch);
                }
                Job::Reopen(reply) => drop(reply.send(self.reopen())),
            }
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly; nothing is lost");
        }
    }

    fn keep(&mut self, batch: &Batch) -> Result<(), SqlError> {
        if self.behind {
            return Err(SqlError::Behind);
        }
        let kept = write(&self.connection, batch);
        self.behind = kept.is_err();
        kept
    }

    /// What is due now and then, and can wait when it fails.
    fn look_after(&mut self, batch: &Batch) {
        if self.behind {
            return;
        }
        match listing::extend(&self.connection, self.listed, batch.last_number) {
            Ok(listed) => self.listed = listed,
            Err(error) => tracing::warn!(error = %chain(&error), "the newest tasks could not be indexed yet"),
        }
        if batch.prunes
            && let Err(error) = shrink(&self.connection)
        {
            tracing::warn!(error = %chain(&error), "the room that was pruned stays in the file for now");
        }
        self.checkpoints.after_commit(&self.connection);
    }

    fn reopen(&mut self) -> Result<(), SqlError> {
        self.connection = connection::writer(&self.path)?;
        self.behind = false;
        Ok(())
    }
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
