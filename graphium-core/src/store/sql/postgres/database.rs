//! The database behind the writer of the server that has the seat.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::ask::Snapshot;
use super::bell::Bell;
use super::connection::{Connector, Readers, Session};
use super::keeper::Keeper;
use super::seat::{self, SEEN_EVERY, Seat};
use super::switchboard::{Switchboard, ring};
use crate::clock::Timestamp;
use crate::store::engine::{Engine, Loaded, Needs};
use crate::store::sql::ask::Question;
use crate::store::sql::batch::Batch;
use crate::store::sql::command::Command;
use crate::store::sql::database::Database;
use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::{LETTERS, Letter};
use crate::store::sql::listing::Listing;
use crate::store::sql::load;
use crate::store::sql::passed_on::TakenUp;
use crate::store::sql::rows::signed;

/// How often the inbox is looked at: nothing tells when it has changed.
const LOOK: Duration = Duration::from_secs(1);

/// A server of this process, in the eyes of the others.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) connector: Connector,
    /// Made anew for each life.
    pub(super) server: Uuid,
    pub(super) name: String,
    pub(super) bell: Bell,
    /// Where calls of other servers go.
    pub(super) writer: mpsc::WeakSender<Command>,
}

/// The database of the server that has the seat.
#[derive(Debug)]
pub(super) struct PostgresDatabase {
    me: Me,
    readers: Readers,
    term: Term,
    looked_at: Option<Instant>,
}

/// What lasts as long as a term.
#[derive(Debug)]
struct Term {
    batches: mpsc::UnboundedSender<Batch>,
    kept: mpsc::UnboundedReceiver<Result<(), SqlError>>,
    seat: Seat,
    /// Until when nobody else can have taken the seat.
    safe_until: watch::Receiver<Instant>,
    taken: TakenUp,
    /// The keeper, what shows that the seat is taken, and what takes up the calls of others.
    _work: JoinSet<()>,
}

impl PostgresDatabase {
    /// Takes the seat, if it is to be had.
    pub(super) async fn take_seat(me: Me) -> Result<Option<Self>, SqlError> {
        // Its own, so that no list that somebody reads makes everybody wait.
        let readers = Readers::new(me.connector.clone());
        let term = Term::begin(&me, &readers).await?;
        Ok(term.map(|term| Self { me, readers, term, looked_at: None }))
    }
}

impl Term {
    async fn begin(me: &Me, readers: &Readers) -> Result<Option<Self>, SqlError> {
        let client = me.connector.connect().await?;
        let Some(seat) = seat::take(&client, me.server, &me.name).await? else { return Ok(None) };
        match Self::begin_with(me, readers, client, seat).await {
            Ok(term) => Ok(Some(term)),
            Err(error) => {
                let left = async { seat.leave(&*me.connector.connect().await?).await };
                if let Err(error) = left.await {
                    tracing::debug!(%error, "a seat that could not be used is not left");
                }
                Err(error)
            }
        }
    }

    async fn begin_with(me: &Me, readers: &Readers, client: Session, seat: Seat) -> Result<Self, SqlError> {
        tracing::info!(term = seat.term, "this server decides from now on");
        let (batches, inbox) = mpsc::unbounded_channel();
        let (done, kept) = mpsc::unbounded_channel();
        let snapshot = Snapshot::begin(readers).await?;
        let listing = Listing::of(&snapshot).await?;
        snapshot.end().await?;
        let keeper = Keeper::new(me.connector.connect().await?, seat, listing).await?;
        let mut work = JoinSet::new();
        work.spawn(keeper.run(inbox, done));
        let (shown, safe_until) = watch::channel(seat.safe_until);
        let taken = TakenUp::default();
        let (connector, bell) = (me.connector.clone(), me.bell.clone());
        work.spawn(show(connector.clone(), client, seat, shown));
        work.spawn(ring(connector.clone(), taken.clone()));
        work.spawn(Switchboard { connector, bell, taken: taken.clone(), writer: me.writer.clone() }.run());
        Ok(Self { batches, kept, seat, safe_until, taken, _work: work })
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.taken.end();
    }
}

/// Shows that the seat is taken, as long as it is.
async fn show(connector: Connector, mut client: Session, mut seat: Seat, shown: watch::Sender<Instant>) {
    loop {
        tokio::time::sleep(SEEN_EVERY).await;
        let failed = match seat.show(&client).await {
            Ok(()) => {
                shown.send_replace(seat.safe_until);
                continue;
            }
            // The next commit hears it too.
            Err(SqlError::Unseated) => return,
            Err(error) => error,
        };
        tracing::warn!(error = %failed, "this server cannot show that it decides; trying again");
        if let Ok(session) = connector.connect().await {
            client = session;
        }
    }
}

impl Database for PostgresDatabase {
    fn keep(&mut self, batch: Batch) {
        // Without a keeper there is nobody to tell either: `kept` says so.
        drop(self.term.batches.send(batch));
    }

    async fn kept(&mut self) -> Result<(), SqlError> {
        self.term.kept.recv().await.unwrap_or(Err(SqlError::Closed))
    }

    fn is_sure(&self) -> bool {
        Instant::now() < *self.term.safe_until.borrow()
    }

    /// A commit of which nobody knows whether it was made holds the seat until it is over: the next term begins after it.
    async fn reopen(&mut self) -> Result<(), SqlError> {
        self.term = Term::begin(&self.me, &self.readers).await?.ok_or(SqlError::Unseated)?;
        Ok(())
    }

    async fn restore(&mut self, engine: &mut Engine) -> Result<(), SqlError> {
        let snapshot = Snapshot::begin(&self.readers).await?;
        load::restore(&snapshot, engine).await?;
        snapshot.end().await
    }

    async fn backup_at(&mut self) -> Result<Option<Timestamp>, SqlError> {
        let snapshot = Snapshot::begin(&self.readers).await?;
        let at = load::backup_at(&snapshot).await?;
        snapshot.end().await?;
        Ok(at)
    }

    async fn fetch(&mut self, needs: Needs) -> Result<Loaded, SqlError> {
        let snapshot = Snapshot::begin(&self.readers).await?;
        let loaded = load::fetch(&snapshot, needs).await?;
        snapshot.end().await?;
        Ok(loaded)
    }

    async fn letters(&mut self, again: bool) -> Result<Vec<Letter>, SqlError> {
        if !again && self.looked_at.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(Vec::new());
        }
        self.looked_at = Some(Instant::now());
        let snapshot = Snapshot::begin(&self.readers).await?;
        let question =
            Question::new("SELECT key, json FROM inbox ORDER BY place LIMIT ?").with([signed(LETTERS).into()]);
        let letters = snapshot.ask_raw(&question, |key, json| Letter { key, json }).await?;
        snapshot.end().await?;
        Ok(letters)
    }

    async fn close(self) {
        // Whoever comes next need not wait until this one has not been seen for a while.
        let left = async {
            let session = self.me.connector.connect().await?;
            self.term.seat.leave(&session).await
        };
        if let Err(error) = left.await {
            tracing::warn!(%error, "the seat could not be left; another server takes it in a while");
        }
    }
}
