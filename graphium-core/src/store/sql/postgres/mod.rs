//! The PostgreSQL store: one database, any number of servers.

mod ask;
mod bell;
mod connection;
mod database;
mod fault;
mod keeper;
mod relay;
mod row;
mod schema;
mod seat;
mod statement;
mod switchboard;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::ask::Snapshot;
use self::bell::Bell;
use self::connection::{Connector, Readers};
use self::database::{Me, PostgresDatabase};
use self::relay::Relay;
use crate::clock::Clock;
use crate::event::Event;
use crate::id::{AgentId, Seq, TaskId};
use crate::store::page::{check_events, check_filter, check_limit};
use crate::store::reply::Reply;
use crate::store::sql::command::Command;
use crate::store::sql::error::SqlError;
use crate::store::sql::read;
use crate::store::sql::writer::{self, End, QUEUE, Setup, Writer};
use crate::store::steady::SteadyClock;
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, EventFilter, Host, InventoryReport, Page, PageRequest, Pruned, Record,
    RecordKey, RecordKind, StoreError, StoreSettings, StoreStatus, Submission, Submitted, TaskFilter, TaskHistory,
    TaskStats, TaskStore,
};
use crate::task::Task;

/// How long a server waits before it tries again what the database did not do.
const PAUSE: Duration = Duration::from_millis(500);

/// Which database, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Where it is: `postgres://user:password@host:port/name`, or `host=… user=…`.
    pub url: String,
    /// What this server is called in the logs of the others.
    pub name: String,
}

/// A [`TaskStore`] in one PostgreSQL database, which any number of servers share.
///
/// One of them decides at a time: it holds what is not settled in memory, and commits what has queued up as one transaction.
/// The others read by themselves and pass on what they are asked through the database; what one of them passed on is done
/// once, whichever server dies meanwhile. When the one that decides is not seen for some seconds, another takes its place.
#[derive(Debug)]
pub struct PostgresStore {
    writer: mpsc::Sender<Command>,
    readers: Readers,
    head: watch::Receiver<Seq>,
    closing: CancellationToken,
    /// Ends when the writer has ended.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl PostgresStore {
    /// Opens the store in this database, whose tables are made if they are missing.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](crate::store::StoreErrorKind::Invalid) when the address is none;
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when the database cannot be reached;
    /// [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt) when it is of a newer version.
    pub async fn open(
        postgres: PostgresSettings,
        clock: Arc<dyn Clock>,
        settings: StoreSettings,
    ) -> Result<Self, StoreError> {
        Self::open_with_seed(postgres, clock, settings, rand::random()).await
    }

    /// Opens the store so that its backoffs are the same for the same seed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_seed(
        postgres: PostgresSettings,
        clock: Arc<dyn Clock>,
        settings: StoreSettings,
        seed: u64,
    ) -> Result<Self, StoreError> {
        let connector = Connector::to(&postgres.url)?;
        let session = connector.connect().await?;
        schema::migrate(&session).await?;
        let readers = Readers::new(connector.clone());
        let (sender, inbox) = mpsc::channel(QUEUE);
        let (head, closing) = (watch::Sender::new(Seq(0)), CancellationToken::new());
        let (server, bell, writer) = (Uuid::new_v4(), Bell::default(), sender.downgrade());
        let relay = Relay::new(connector.clone(), server, bell.clone(), head.clone());
        let me = Me { connector, server, name: postgres.name, bell, writer };
        let clock = Arc::new(SteadyClock::new(clock));
        let setup = Setup { clock, settings, seed, head: head.clone(), records: Arc::default() };
        let work = Work { me, setup, relay, inbox, closing: closing.clone() };
        let ((), ended) = writer::on_own_thread(|started| work.run(started)).await?;
        Ok(Self { writer: sender, readers, head: head.subscribe(), closing, ended: Mutex::new(Some(ended)) })
    }

    /// Commits what has been asked, ends the claims that wait, and leaves the database. Later calls are refused.
    pub async fn close(&self) {
        self.closing.cancel();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // It answers by being dropped.
            drop(ended.await);
        }
        self.readers.close();
    }

    /// Asks the writer, which goes on whatever becomes of the asker.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command + Send) -> Result<T, StoreError> {
        let (reply, answer) = Reply::channel();
        self.writer.send(command(reply)).await.map_err(|_| SqlError::Closed)?;
        answer.await.map_err(|_| SqlError::Closed)?
    }
}

/// What a server does as long as its store is open.
struct Work {
    me: Me,
    setup: Setup,
    relay: Relay,
    inbox: mpsc::Receiver<Command>,
    closing: CancellationToken,
}

impl Work {
    /// Decides while this server has the seat, and passes on what it is asked while another one has it.
    async fn run(mut self, started: oneshot::Sender<Result<(), SqlError>>) {
        let mut listening = JoinSet::new();
        listening.spawn(self.me.bell.clone().listen(self.me.connector.clone()));
        let mut started = Some(started);
        loop {
            match self.sit_down().await {
                Ok(writer) => {
                    if let Some(started) = started.take() {
                        if writer.is_none()
                            && let Err(error) = self.relay.look_after().await
                        {
                            return drop(started.send(Err(error)));
                        }
                        // Whoever opens it may have left: then nobody asks for anything, and it ends.
                        drop(started.send(Ok(())));
                    }
                    if let Some(writer) = writer {
                        let decide = Box::pin(writer.run(&mut self.inbox, &self.closing));
                        let end = tokio::select! {
                            end = decide => end,
                            () = self.relay.take_the_last_answers() => End::Unseated,
                        };
                        self.relay.forget_session();
                        if end == End::Closed {
                            return;
                        }
                    }
                }
                Err(error) => match started.take() {
                    Some(started) => return drop(started.send(Err(error))),
                    None => {
                        tracing::warn!(%error, "this server cannot work on its database");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
            if self.relay.run(&mut self.inbox, &self.closing).await == relay::End::Closed {
                return;
            }
        }
    }

    /// Takes the seat and reads what is open; none when another server has it.
    async fn sit_down(&self) -> Result<Option<Writer<PostgresDatabase>>, SqlError> {
        match PostgresDatabase::take_seat(self.me.clone()).await? {
            Some(database) => Writer::open(self.setup.clone(), database).await.map(Some),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl AgentStore for PostgresStore {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.ask(|reply| Command::Claim(agent.clone(), request, reply)).await
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.ask(|reply| Command::Inventory(agent.clone(), report, reply)).await
    }
}

#[async_trait]
impl TaskStore for PostgresStore {
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError> {
        self.ask(|reply| Command::Submit(submission, reply)).await
    }

    async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        let snapshot = Snapshot::begin(&self.readers).await?;
        let found = read::task(&snapshot, id).await;
        snapshot.answer(found).await
    }

    async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError> {
        check_limit(page.limit)?;
        check_filter(&filter)?;
        let snapshot = Snapshot::begin(&self.readers).await?;
        let found = read::tasks(&snapshot, filter, page).await;
        snapshot.answer(found).await
    }

    async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError> {
        let snapshot = Snapshot::begin(&self.readers).await?;
        let found = read::history(&snapshot, id).await;
        snapshot.answer(found).await
    }

    async fn cancel(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.ask(|reply| Command::Cancel(id, by.to_owned(), reply)).await
    }

    async fn retry(&self, id: TaskId, by: &str) -> Result<Task, StoreError> {
        self.ask(|reply| Command::Retry(id, by.to_owned(), reply)).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let snapshot = Snapshot::begin(&self.readers).await?;
        let found = read::record(&snapshot, key).await;
        snapshot.answer(found).await
    }

    async fn records(&self, kind: RecordKind, prefix: &str, page: PageRequest) -> Result<Page<Record>, StoreError> {
        check_limit(page.limit)?;
        let snapshot = Snapshot::begin(&self.readers).await?;
        let found = read::records(&snapshot, kind, prefix, &page).await;
        snapshot.answer(found).await
    }

    async fn events(&self, after: Seq, filter: EventFilter, limit: usize) -> Result<(Vec<Event>, Seq), StoreError> {
        check_events(limit)?;
        let snapshot = Snapshot::begin(&self.readers).await?;
        let found = read::events(&snapshot, after, &filter, limit).await;
        snapshot.answer(found).await
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
