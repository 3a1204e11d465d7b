//! The database behind the writer of the server that has the seat.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::ask::Snapshot;
use super::connection::{Connector, Readers, Session};
use super::keeper::Keeper;
use super::seat::{self, SEEN_EVERY, Seat};
use crate::clock::Timestamp;
use crate::store::engine::{Engine, Loaded, Needs};
use crate::store::sql::ask::{Ask, Question};
use crate::store::sql::batch::Batch;
use crate::store::sql::database::Database;
use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::{LETTERS, Letter};
use crate::store::sql::listing::Listing;
use crate::store::sql::load;
use crate::store::sql::rows::{Row, signed};

/// How often the inbox is looked at: nothing tells when it has changed.
const LOOK: Duration = Duration::from_secs(1);

/// A server of this process, in the eyes of the others.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) connector: Connector,
    /// Made anew for each life.
    pub(super) server: Uuid,
    pub(super) name: String,
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
    /// The keeper, and what shows that the seat is taken.
    _work: JoinSet<()>,
}

impl PostgresDatabase {
    /// Takes the seat, if it is to be had.
    pub(super) async fn take_seat(me: Me, readers: Readers) -> Result<Option<Self>, SqlError> {
        let term = Term::begin(&me, &readers).await?;
        Ok(term.map(|term| Self { me, readers, term, looked_at: None }))
    }
}

impl Term {
    async fn begin(me: &Me, readers: &Readers) -> Result<Option<Self>, SqlError> {
        let client = me.connector.connect().await?;
        let Some(seat) = seat::take(&client, me.server, &me.name).await? else { return Ok(None) };
        tracing::info!(term = seat.term, "this server decides from now on");
        let (batches, inbox) = mpsc::unbounded_channel();
        let (done, kept) = mpsc::unbounded_channel();
        let snapshot = Snapshot::begin(readers).await?;
        let listing = Listing::of(&snapshot).await?;
        snapshot.end().await?;
        let keeper = Keeper::new(me.connector.connect().await?, seat, listing).await?;
        let mut work = JoinSet::new();
        work.spawn(keeper.run(inbox, done));
        work.spawn(show(client, seat));
        Ok(Some(Self { batches, kept, seat, _work: work }))
    }
}

/// Shows that the seat is taken, as long as it is.
async fn show(client: Session, mut seat: Seat) {
    loop {
        tokio::time::sleep(SEEN_EVERY).await;
        match seat.show(&client).await {
            Ok(()) => {}
            // The next commit hears it too.
            Err(SqlError::Unseated) => return,
            Err(error) => {
                tracing::warn!(%error, "this server cannot show that it decides");
                return;
            }
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
        let read =
            |row: &dyn Row| Ok(Letter { key: row.text("key")?.into_owned(), json: row.text("json")?.into_owned() });
        let letters = snapshot.ask(&question, read).await?;
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
