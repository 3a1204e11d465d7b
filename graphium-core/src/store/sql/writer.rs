//! The one that decides: it owns the queue, does in memory what has queued up, and answers once that is kept.
//!
//! While the keeper commits one batch, the next is done in memory already. Its answers wait for its own commit, and
//! when an earlier commit fails, so do they.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::command::{Answer, Command, Reply, chain, not_kept};
use super::error::SqlError;
use super::flight::Flight;
use super::inbox::{self, Letter, Opened};
use super::keeper::{Copies, Keeper};
use super::{connection, load, write};
use crate::clock::Clock;
use crate::id::{Seq, TaskId};
use crate::store::engine::{Engine, Needs};
use crate::store::steady::SteadyClock;
use crate::store::waiting::Waiting;
use crate::store::{ClaimAnswer, StoreSettings};

/// How many commands may queue before callers wait for room.
pub(super) const QUEUE: usize = 1024;
/// The most commands in one commit.
const MAX_COMMANDS: usize = 1024;
/// The most tasks, roughly, in one commit: the first command that goes over it is the last one of its batch.
const MAX_WEIGHT: usize = 2000;
/// The most batches that are on their way into the file: one that is being committed and one that is ready.
const MAX_FLIGHTS: usize = 2;
/// How soon a clock that has not moved is looked at again.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// How long the writer lets a database be that could not be read, before it tries again by itself.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// What the writer is made from.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) path: PathBuf,
    pub(super) clock: SteadyClock,
    pub(super) settings: StoreSettings,
    pub(super) seed: u64,
}

/// The writer.
pub(super) struct Writer {
    setup: Setup,
    keeper: Keeper,
    /// Reads what is not in memory.
    reader: Connection,
    engine: Engine,
    waiting: Waiting,
    /// What is on its way into the file, oldest first.
    flights: VecDeque<Flight>,
    /// Whether the engine may be ahead of the tables, because a commit failed.
    stale: bool,
    /// How many commits have failed.
    failures: u64,
    /// The version of the file when the inbox was last found empty.
    inbox_seen: Option<i64>,
    /// Until when the writer does not wake by itself, because it could not read.
    paused_until: Option<Instant>,
    head: watch::Sender<Seq>,
}

impl Writer {
    /// Opens the file, brings it up to date and reads what is open.
    pub(super) fn open(setup: Setup) -> Result<Self, SqlError> {
        let lock = connection::lock(&setup.path)?;
        let mut connection = connection::writer(&setup.path)?;
        connection::migrate(&setup.path, &mut connection)?;
        let reader = connection::reader(&setup.path)?;
        let mut engine = Engine::new(setup.settings, setup.seed);
        load::restore(&reader, &mut engine)?;
        setup.clock.go_on_from(engine.now());
        engine.advance(setup.clock.now());
        if let Some(backup_at) = load::backup_at(&reader)? {
            engine.begin_epoch(backup_at);
        }
        engine.grant_grace();
        let changes = engine.take_changes();
        write::write(&connection, &Batch::of(&engine, &changes)?)?;
        let head = watch::Sender::new(engine.head());
        let keeper = Keeper::start(setup.path.clone(), connection, lock)?;
        let (waiting, flights) = (Waiting::default(), VecDeque::new());
        Ok(Self {
            setup,
            keeper,
            reader,
            engine,
            waiting,
            flights,
            stale: false,
            failures: 0,
            inbox_seen: None,
            paused_until: None,
            head,
        })
    }

    /// The number of the newest event that is kept.
    pub(super) fn head(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    /// Who makes backups.
    pub(super) fn copies(&self) -> Copies {
        self.keeper.copies()
    }

    #[cfg(test)]
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Works until the store is closed or nobody is left to ask.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, closing: CancellationToken) {
        let mut received = Vec::new();
        let mut look = tokio::time::interval(inbox::LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
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
                kept = self.keeper.kept(), if !self.flights.is_empty() => {
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

    /// Submits what others have left in the inbox.
    async fn open_letters(&mut self) {
        if self.stale {
            return;
        }
        match inbox::look(&self.reader, &mut self.inbox_seen) {
            Ok(letters) if letters.is_empty() => {}
            Ok(letters) => self.submit_letters(letters).await,
            Err(error) => tracing::warn!(error = %chain(&error), "the inbox cannot be read"),
        }
    }

    async fn submit_letters(&mut self, letters: Vec<Letter>) {
        self.land_all().await;
        if self.stale {
            return;
        }
        // What is left of more letters than are taken at a time is looked at next.
        self.inbox_seen = None;
        let last_wait = self.waiting.last();
        self.engine.advance(self.setup.clock.now());
        let (mut opened, mut loaded) = (Opened::default(), Vec::new());
        for letter in letters {
            let asked = letter.submission(|stack| self.engine.generation(stack));
            let submitted = match asked {
                Ok(submission) => {
                    self.load_for(|engine, needs| engine.need_for_submission(&submission, needs)).map(|ids| {
                        loaded.extend(ids);
                        self.engine.submit(submission).map_err(|error| error.to_string())
                    })
                }
                Err(problem) => Ok(Err(problem)),
            };
            match submitted {
                Ok(Ok(_)) => opened.taken.push(letter.key),
                Ok(Err(problem)) => {
                    tracing::warn!(key = letter.key, problem, "a letter in the inbox is refused");
                    opened.refused.push((letter, problem));
                }
                Err(error) => tracing::warn!(key = letter.key, error = %chain(&error), "a letter stays in the inbox"),
            }
        }
        let answers = self.serve();
        self.keep(answers, loaded, last_wait, &opened).await;
    }

    /// Hands over to the keeper what has changed.
    async fn keep(&mut self, answers: Vec<Answer>, loaded: Vec<TaskId>, last_wait: u64, letters: &Opened) {
        let changes = self.engine.take_changes();
        let batch = Batch::of(&self.engine, &changes).map(|mut batch| {
            batch.add_letters(letters, self.engine.now());
            batch
        });
        let flight = Flight::new(answers, changes, loaded, last_wait, self.engine.head());
        let failures = self.failures;
        while self.flights.len() >= MAX_FLIGHTS {
            let kept = self.keeper.kept().await;
            self.land(kept).await;
        }
        match batch {
            // It was done on top of a batch that was not kept.
            _ if self.failures > failures => self.crash(flight, &SqlError::Behind),
            Ok(batch) if batch.is_empty() && self.flights.is_empty() => self.arrive(flight),
            Ok(batch) => {
                self.keeper.keep(batch);
                self.flights.push_back(flight);
            }
            Err(error) => {
                self.land_all().await;
                self.fail(flight, &error).await;
            }
        }
    }

    /// Answers for the oldest batch on its way, now that its end is known.
    async fn land(&mut self, kept: Result<(), SqlError>) {
        let Some(flight) = self.flights.pop_front() else { return };
        match kept {
            Ok(()) => self.arrive(flight),
            Err(error) => self.fail(flight, &error).await,
        }
    }

    fn arrive(&mut self, flight: Flight) {
        self.evict(&flight);
        self.head.send_if_modified(|head| std::mem::replace(head, flight.head) != flight.head);
        flight.answers.into_iter().for_each(Answer::send);
    }

    /// Takes back a batch that is not kept, and with it all that were done on top of it.
    async fn fail(&mut self, flight: Flight, error: &SqlError) {
        tracing::error!(error = %chain(error), "the store could not commit; it goes back to what is kept");
        (self.stale, self.failures) = (true, self.failures + 1);
        self.crash(flight, error);
        while let Some(flight) = self.flights.pop_front() {
            drop(self.keeper.kept().await);
            self.crash(flight, error);
        }
        if let Err(error) = self.reload().await {
            tracing::warn!(error = %chain(&error), "the store could not go back yet; it tries again at the next call");
        }
    }

    async fn land_all(&mut self) {
        while !self.flights.is_empty() {
            let kept = self.keeper.kept().await;
            self.land(kept).await;
        }
    }

    /// Tells everybody whom a batch would have answered that it was not kept. Waits that began in it are over, too: what
    /// their claims reported is lost, so they must not hear that it was accepted.
    fn crash(&mut self, flight: Flight, error: &SqlError) {
        flight.answers.into_iter().for_each(|answer| answer.refuse(error));
        refuse(self.waiting.take_newer(flight.last_wait), error);
    }

    /// Lets go of what has been kept and of what was read for it, unless a batch on its way has changed it again.
    fn evict(&mut self, landed: &Flight) {
        let flying: HashSet<_> = self.flights.iter().flat_map(Flight::tasks).collect();
        self.engine.evict(landed.tasks().filter(|id| !flying.contains(id)));
        let flights = &self.flights;
        self.engine.evict_records(|key| !flights.iter().any(|flight| flight.has_record(key)));
    }

    /// Brings into memory what the commands look at. Answers with the tasks that came by it.
    async fn prepare(&mut self, batch: &[Command]) -> Result<Vec<TaskId>, SqlError> {
        if self.stale {
            self.land_all().await;
            self.reload().await?;
        }
        self.load_for(|engine, needs| batch.iter().for_each(|command| command.need(engine, needs)))
    }

    fn load_for(&mut self, need: impl FnOnce(&Engine, &mut Needs)) -> Result<Vec<TaskId>, SqlError> {
        let mut needs = Needs::default();
        need(&self.engine, &mut needs);
        if needs == Needs::default() {
            return Ok(Vec::new());
        }
        let snapshot = self.reader.unchecked_transaction()?;
        let loaded = load::fetch(&snapshot, needs)?;
        snapshot.finish()?;
        let ids = loaded.tasks.iter().map(|(task, _)| task.id()).collect();
        self.engine.absorb(loaded);
        Ok(ids)
    }

    /// Throws the memory away and reads it again, on connections that are not in the middle of anything. The store was
    /// away, not the agents: their sessions get a lease of grace.
    async fn reload(&mut self) -> Result<(), SqlError> {
        self.keeper.reopen().await?;
        self.reader = connection::reader(&self.setup.path)?;
        let mut engine = Engine::new(self.setup.settings, self.setup.seed);
        load::restore(&self.reader, &mut engine)?;
        engine.advance(self.setup.clock.now());
        engine.grant_grace();
        self.engine = engine;
        self.stale = false;
        Ok(())
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
        drop(self.reader);
        self.keeper.close();
    }
}

fn refuse(waits: Vec<Reply<ClaimAnswer>>, error: &SqlError) {
    for reply in waits {
        // Nobody may listen any more.
        drop(reply.send(Err(not_kept(error))));
    }
}

fn fits_one_batch(commands: &[Command]) -> bool {
    let weight: usize = commands.iter().map(Command::weight).sum();
    weight <= MAX_WEIGHT && !commands.iter().any(Command::is_alone)
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
