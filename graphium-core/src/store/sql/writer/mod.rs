//! The one that decides: it owns the queue, does in memory what has queued up, and answers once that is kept.
//!
//! While the keeper commits one batch, the next is done in memory already. Its answers wait for its own commit, and
//! when an earlier commit fails, so do they.

mod gathering;
mod landing;
mod letters;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;

use self::gathering::{fits_one_batch, next_batch};
use self::landing::refuse;
use crate::clock::Clock;
use crate::id::{Seq, TaskId};
use crate::store::StoreSettings;
use crate::store::engine::{Engine, Needs};
use crate::store::sql::batch::Batch;
use crate::store::sql::command::{Answer, Command, chain};
use crate::store::sql::database::Database;
use crate::store::sql::error::SqlError;
use crate::store::sql::flight::Flight;
use crate::store::sql::inbox::{self, Opened};
use crate::store::sql::record_cache::RecordCache;
use crate::store::steady::SteadyClock;
use crate::store::waiting::Waiting;

/// How many commands may queue before callers wait for room.
pub(super) const QUEUE: usize = 1024;
/// The most commands in one commit.
const MAX_COMMANDS: usize = 1024;
/// The most batches that are on their way into the file: one that is being committed and one that is ready.
const MAX_FLIGHTS: usize = 2;
/// How soon a clock that has not moved is looked at again.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// How long the writer lets a database be that could not be read, before it tries again by itself.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// What the writer is made from, beside its database.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) clock: Arc<SteadyClock>,
    pub(super) settings: StoreSettings,
    pub(super) seed: u64,
    /// Where it tells the number of the newest event that is kept.
    pub(super) head: watch::Sender<Seq>,
    /// What readers remember of records.
    pub(super) records: Arc<RecordCache>,
}

/// Why a writer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The store was closed, or nobody is left to ask.
    Closed,
    /// Another one decides.
    Unseated,
}

/// The writer.
pub(super) struct Writer<D> {
    setup: Setup,
    database: D,
    engine: Engine,
    waiting: Waiting,
    /// What is on its way into the database, oldest first.
    flights: VecDeque<Flight>,
    /// Whether the engine may be ahead of the tables, because a commit failed.
    stale: bool,
    /// How many commits have failed.
    failures: u64,
    /// Whether letters may be left that were seen before.
    letters_left: bool,
    /// Until when the writer does not wake by itself, because it could not read.
    paused_until: Option<Instant>,
    /// Whether another one decides.
    unseated: bool,
}

/// Lets something work on a thread of its own, with a clock that no embedder can pause. Answers with what it says at its
/// start, and with what ends when it has ended.
pub(super) async fn on_own_thread<T, W>(
    work: impl FnOnce(oneshot::Sender<Result<T, SqlError>>) -> W + Send + 'static,
) -> Result<(T, oneshot::Receiver<()>), SqlError>
where
    T: Send + 'static,
    W: Future<Output = ()>,
{
    let (started, opened) = oneshot::channel();
    let (running, ended) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SqlError::Thread)?;
    let thread = std::thread::Builder::new().name("graphium-store".into());
    let work = move || {
        runtime.block_on(work(started));
        drop(running);
    };
    thread.spawn(work).map_err(SqlError::Thread)?;
    Ok((opened.await.map_err(|_| SqlError::Closed)??, ended))
}

impl<D: Database> Writer<D> {
    /// Reads what is open.
    pub(super) async fn open(setup: Setup, mut database: D) -> Result<Self, SqlError> {
        let mut engine = Engine::new(setup.settings, setup.seed);
        database.restore(&mut engine).await?;
        setup.clock.go_on_from(engine.now());
        engine.advance(setup.clock.now());
        if let Some(backup_at) = database.backup_at().await? {
            engine.begin_epoch(backup_at);
        }
        engine.condemn_unreadable();
        engine.grant_grace();
        let changes = engine.take_changes();
        database.keep(Batch::of(&engine, &changes)?);
        database.kept().await?;
        engine.evict(changes.changed);
        setup.head.send_replace(engine.head());
        let (waiting, flights) = (Waiting::default(), VecDeque::new());
        Ok(Self {
            setup,
            database,
            engine,
            waiting,
            flights,
            stale: false,
            failures: 0,
            letters_left: true,
            paused_until: None,
            unseated: false,
        })
    }

    #[cfg(test)]
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Works until the store is closed or nobody is left to ask.
    pub(super) async fn run(mut self, inbox: &mut mpsc::Receiver<Command>, closing: &CancellationToken) -> End {
        let mut received = Vec::new();
        let mut look = tokio::time::interval(inbox::LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.unseated {
            let room = self.flights.len() < MAX_FLIGHTS;
            let wake = self.next_wake().filter(|_| room);
            let wake = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                kept = self.database.kept(), if !self.flights.is_empty() => {
                    self.land(kept).await;
                    continue;
                }
                () = closing.cancelled() => break,
                _ = look.tick(), if room => {
                    self.open_letters().await;
                    continue;
                }
                count = inbox.recv_many(&mut received, MAX_COMMANDS), if room => if count == 0 { break },
                () = wake => {}
            }
            self.work_off(&mut received).await;
        }
        if self.unseated {
            self.leave();
            return End::Unseated;
        }
        inbox.close();
        while inbox.recv_many(&mut received, MAX_COMMANDS).await > 0 {
            self.work_off(&mut received).await;
        }
        self.finish().await;
        End::Closed
    }

    /// Tells everybody who waits that another one decides.
    fn leave(&mut self) {
        refuse(self.waiting.take_newer(0), &SqlError::Unseated);
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
        if fits_one_batch(received) {
            self.commit_with_neighbours(std::mem::take(received)).await;
            return;
        }
        let mut queue = VecDeque::from(std::mem::take(received));
        loop {
            let batch = next_batch(&mut queue);
            self.commit_with_neighbours(batch).await;
            if queue.is_empty() {
                return;
            }
        }
    }

    /// Does a batch. Where one command asks for something that cannot be read back, the others do not suffer for it.
    async fn commit_with_neighbours(&mut self, batch: Vec<Command>) {
        if batch.iter().any(Command::is_alone) {
            self.land_all().await;
            // What is old enough to be pruned is looked up before it is done.
            self.engine.advance(self.setup.clock.now());
        }
        let loaded = match self.prepare(&batch).await {
            Err(SqlError::Corrupt { .. }) if batch.len() > 1 => {
                for command in batch {
                    let loaded = self.prepare(std::slice::from_ref(&command)).await;
                    self.commit_prepared(vec![command], loaded).await;
                }
                return;
            }
            loaded => loaded,
        };
        self.commit_prepared(batch, loaded).await;
    }

    /// Does a batch and waits for its commit.
    #[cfg(test)]
    pub(super) async fn commit(&mut self, batch: Vec<Command>) {
        self.commit_with_neighbours(batch).await;
        self.land_all().await;
    }

    /// Does a batch in memory and hands over what it changed.
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
        answers.extend(self.serve());
        self.keep(answers, loaded, last_wait, &Opened::default()).await;
    }

    /// Ends the waits that are over or have something to hear.
    fn serve(&mut self) -> Vec<Answer> {
        let mut ended = self.waiting.end_overdue(&mut self.engine);
        ended.extend(self.waiting.serve(&mut self.engine));
        ended.into_iter().map(Answer::from).collect()
    }

    /// Hands over to the keeper what has changed.
    async fn keep(&mut self, answers: Vec<Answer>, loaded: Vec<TaskId>, last_wait: u64, letters: &Opened) {
        let changes = self.engine.take_changes();
        let batch = Batch::of(&self.engine, &changes).and_then(|mut batch| {
            batch.add_letters(letters, self.engine.now());
            batch.add_answers(&answers)?;
            Ok(batch)
        });
        let flight = Flight::new(answers, changes, loaded, last_wait, self.engine.head());
        self.setup.records.takes_off(flight.records());
        let failures = self.failures;
        while self.flights.len() >= MAX_FLIGHTS {
            let kept = self.database.kept().await;
            self.land(kept).await;
        }
        match batch {
            // It was done on top of a batch that was not kept.
            _ if self.failures > failures => self.crash(flight, &SqlError::Behind),
            Ok(batch) if batch.is_empty() && self.flights.is_empty() && self.database.is_sure() => self.arrive(flight),
            Ok(batch) => {
                self.database.keep(batch);
                self.flights.push_back(flight);
            }
            Err(error) => {
                self.land_all().await;
                self.fail(flight, &error).await;
            }
        }
    }

    /// Brings into memory what the commands look at. Answers with the tasks that came by it.
    async fn prepare(&mut self, batch: &[Command]) -> Result<Vec<TaskId>, SqlError> {
        if self.stale {
            self.land_all().await;
            self.reload().await?;
        }
        self.load_for(|engine, needs| batch.iter().for_each(|command| command.need(engine, needs))).await
    }

    async fn load_for(&mut self, need: impl FnOnce(&Engine, &mut Needs)) -> Result<Vec<TaskId>, SqlError> {
        let mut needs = Needs::default();
        need(&self.engine, &mut needs);
        if needs == Needs::default() {
            return Ok(Vec::new());
        }
        let loaded = self.database.fetch(needs).await?;
        let ids = loaded.tasks.iter().map(|(task, _)| task.id()).collect();
        self.engine.absorb(loaded);
        Ok(ids)
    }

    async fn finish(mut self) {
        self.land_all().await;
        let ended = self.waiting.end_all(&mut self.engine);
        if self.stale {
            let ended = ended.into_iter().map(Answer::from);
            ended.for_each(|answer| answer.refuse(&SqlError::Closed));
        } else {
            self.engine.keep_presence();
            let last_wait = self.waiting.last();
            self.keep(ended.into_iter().map(Answer::from).collect(), Vec::new(), last_wait, &Opened::default()).await;
            self.land_all().await;
        }
        self.database.close().await;
    }
}
