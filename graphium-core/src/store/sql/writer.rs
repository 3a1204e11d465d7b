//! The one that writes: it owns the connection and the engine, and commits what has queued up as one transaction.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::command::{Answer, Command, Reply, chain, not_kept};
use super::error::SqlError;
use super::{connection, load, write};
use crate::clock::Clock;
use crate::id::{Seq, TaskId};
use crate::store::engine::{Engine, Needs};
use crate::store::waiting::Waiting;
use crate::store::{ClaimAnswer, StoreSettings};

/// How many commands may queue before callers wait for room.
pub(super) const QUEUE: usize = 1024;
/// The most commands in one commit.
const MAX_COMMANDS: usize = 256;
/// The most tasks, roughly, in one commit: the first command that goes over it is the last one of its batch.
const MAX_WEIGHT: usize = 2000;
/// How soon a clock that has not moved is looked at again.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// How long the writer lets a database be that could not be read, before it tries again by itself.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// What the writer is made from.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: StoreSettings,
    pub(super) seed: u64,
}

/// The writer.
pub(super) struct Writer {
    setup: Setup,
    connection: SqliteConnection,
    engine: Engine,
    waiting: Waiting,
    /// Whether the engine may be ahead of the tables, because a commit failed.
    stale: bool,
    /// Until when the writer does not wake by itself, because it could not read.
    paused_until: Option<Instant>,
    head: watch::Sender<Seq>,
    /// Kept as long as the connection.
    _lock: File,
}

impl Writer {
    /// Opens the file, brings it up to date and reads what is open.
    pub(super) async fn open(setup: Setup) -> Result<Self, SqlError> {
        let lock = connection::lock(&setup.path).await?;
        let mut connection = connection::writer(&setup.path).await?;
        connection::migrate(&setup.path, &mut connection).await?;
        let mut engine = Engine::new(setup.settings, setup.seed);
        load::restore(&mut connection, &mut engine).await?;
        engine.advance(setup.clock.now());
        engine.grant_grace();
        let changes = engine.take_changes();
        write::write(&mut connection, &engine, &changes).await?;
        let head = watch::Sender::new(engine.head());
        let waiting = Waiting::default();
        Ok(Self { setup, connection, engine, waiting, stale: false, paused_until: None, head, _lock: lock })
    }

    /// The number of the newest event that is kept.
    pub(super) fn head(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    #[cfg(test)]
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Works until the store is closed or nobody is left to ask.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, closing: CancellationToken) {
        let mut received = Vec::new();
        loop {
            let wake = self.next_wake();
            let wake = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                count = inbox.recv_many(&mut received, MAX_COMMANDS) => if count == 0 { break },
                () = wake => {}
            }
            self.work_off(&mut received).await;
        }
        inbox.close();
        while inbox.recv_many(&mut received, MAX_COMMANDS).await > 0 {
            self.work_off(&mut received).await;
        }
        self.finish().await;
    }

    /// When something happens by itself: a wait ends, or a task becomes claimable for a claim that waits.
    fn next_wake(&self) -> Option<Instant> {
        let end = self.waiting.next_end()?;
        let due = self.engine.next_timer().map(|due| {
            let pause = due.since(self.setup.clock.now()).max(SHORTEST_SLEEP);
            Instant::now() + pause
        });
        let wake = due.map_or(end, |due| due.min(end));
        Some(self.paused_until.map_or(wake, |pause| pause.max(wake)))
    }

    async fn work_off(&mut self, received: &mut Vec<Command>) {
        let mut queue = VecDeque::from(std::mem::take(received));
        loop {
            let batch = next_batch(&mut queue);
            self.commit_with_neighbours(batch).await;
            if queue.is_empty() {
                return;
            }
        }
    }

    /// Commits a batch. Where one command asks for something that cannot be read back, the others do not suffer for it.
    async fn commit_with_neighbours(&mut self, batch: Vec<Command>) {
        let loaded = match self.prepare(&batch).await {
            Err(SqlError::Corrupt { .. }) if batch.len() > 1 => {
                for command in batch {
                    self.commit(vec![command]).await;
                }
                return;
            }
            loaded => loaded,
        };
        self.commit_prepared(batch, loaded).await;
    }

    pub(super) async fn commit(&mut self, batch: Vec<Command>) {
        let loaded = self.prepare(&batch).await;
        self.commit_prepared(batch, loaded).await;
    }

    /// Does a batch in memory, keeps what it changed, and only then answers.
    async fn commit_prepared(&mut self, batch: Vec<Command>, loaded: Result<Vec<TaskId>, SqlError>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the store cannot read its database");
                self.paused_until = Some(Instant::now() + READ_PAUSE);
                batch.into_iter().for_each(|command| command.refuse(&error));
                refuse(self.waiting.take_overdue(), &error);
                return;
            }
        };
        self.paused_until = None;
        let last_wait = self.waiting.last();
        self.engine.advance(self.setup.clock.now());
        let mut answers = Vec::new();
        for command in batch {
            command.apply(&mut self.engine, &mut self.waiting, &mut answers);
        }
        answers.extend(self.waiting.end_overdue(&mut self.engine).into_iter().map(Answer::from));
        answers.extend(self.waiting.serve(&mut self.engine).into_iter().map(Answer::from));
        self.keep(answers, loaded, last_wait).await;
    }

    /// Keeps what has changed, then answers. Where that fails, the waits newer than `last_wait` are over, too: what their
    /// claims reported is lost, so they must not hear that it was accepted.
    async fn keep(&mut self, answers: Vec<Answer>, loaded: Vec<TaskId>, last_wait: u64) {
        let changes = self.engine.take_changes();
        match write::write(&mut self.connection, &self.engine, &changes).await {
            Ok(()) => {
                self.engine.evict(changes.created.iter().chain(&changes.changed).copied().chain(loaded));
                self.head.send_replace(self.engine.head());
                answers.into_iter().for_each(Answer::send);
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), "the store could not commit; it goes back to what is kept");
                self.stale = true;
                if let Err(error) = self.reload().await {
                    tracing::warn!(error = %chain(&error), "the store could not go back yet; it tries again at the next call");
                }
                answers.into_iter().for_each(|answer| answer.refuse(&error));
                refuse(self.waiting.take_newer(last_wait), &error);
            }
        }
    }

    /// Brings into memory what the commands look at. Answers with the tasks that came by it.
    async fn prepare(&mut self, batch: &[Command]) -> Result<Vec<TaskId>, SqlError> {
        if self.stale {
            self.reload().await?;
        }
        let mut needs = Needs::default();
        for command in batch {
            command.need(&self.engine, &mut needs);
        }
        if needs == Needs::default() {
            return Ok(Vec::new());
        }
        let loaded = load::fetch(&mut self.connection, needs).await?;
        let ids = loaded.tasks.iter().map(|(task, _)| task.id()).collect();
        self.engine.absorb(loaded);
        Ok(ids)
    }

    /// Throws the memory away and reads it again, on a connection that is not in the middle of anything.
    async fn reload(&mut self) -> Result<(), SqlError> {
        let now = self.setup.clock.now();
        // The commit may have failed anywhere: there may be nothing to roll back, and the connection may be broken.
        if let Err(error) = sqlx::query("ROLLBACK").execute(&mut self.connection).await {
            tracing::debug!(error = %chain(&error), "there was nothing to roll back");
        }
        let fresh = connection::writer(&self.setup.path).await?;
        if let Err(error) = std::mem::replace(&mut self.connection, fresh).close().await {
            tracing::warn!(error = %chain(&error), "the connection that failed was not closed cleanly");
        }
        let mut engine = Engine::new(self.setup.settings, self.setup.seed);
        load::restore(&mut self.connection, &mut engine).await?;
        engine.advance(now);
        self.engine = engine;
        self.stale = false;
        Ok(())
    }

    async fn finish(mut self) {
        let ended = self.waiting.end_all(&mut self.engine);
        if !self.stale {
            let last_wait = self.waiting.last();
            self.keep(ended.into_iter().map(Answer::from).collect(), Vec::new(), last_wait).await;
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(error = %chain(&error), "the database was not closed cleanly; nothing is lost");
        }
    }
}

fn refuse(waits: Vec<Reply<ClaimAnswer>>, error: &SqlError) {
    for reply in waits {
        // Nobody may listen any more.
        drop(reply.send(Err(not_kept(error))));
    }
}

fn next_batch(queue: &mut VecDeque<Command>) -> Vec<Command> {
    let mut batch = Vec::new();
    let mut weight = 0;
    while let Some(command) = queue.front() {
        if !batch.is_empty() && (command.is_alone() || weight >= MAX_WEIGHT) {
            break;
        }
        weight += command.weight();
        let last = command.is_alone();
        batch.extend(queue.pop_front());
        if last {
            break;
        }
    }
    batch
}
