//! The side of the server that decides: takes up what other servers pass on.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::bell::{Bell, ring_for_answers};
use super::connection::{Connector, Session, in_transaction};
use crate::store::sql::command::Command;
use crate::store::sql::error::SqlError;
use crate::store::sql::passed_on::{Asked, TakenUp};
use crate::store::sql::rows::signed;
use crate::store::{StoreError, StoreErrorKind};

/// How often all open calls are looked at: for what nothing rang, and for who does not wait any more.
const LOOK: Duration = Duration::from_secs(1);
/// How many calls are read at a time.
const CALLS: usize = 500;
/// The least time between two rings for answers.
const BETWEEN_RINGS: Duration = Duration::from_millis(2);

/// Nobody waits for these any longer. What is in hand is left to the next look.
const FORGOTTEN: &str = "
    DELETE FROM call WHERE id IN (
        SELECT id FROM call WHERE until_at < clock_timestamp() FOR UPDATE SKIP LOCKED
    )";

/// Takes up calls, for as long as a term lasts.
pub(super) struct Switchboard {
    pub(super) connector: Connector,
    pub(super) bell: Bell,
    pub(super) taken: TakenUp,
    pub(super) writer: mpsc::WeakSender<Command>,
}

impl Switchboard {
    /// Works until the writer is gone.
    pub(super) async fn run(self) {
        loop {
            match self.work().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "what other servers pass on cannot be read; trying again"),
            }
            sleep(LOOK).await;
        }
    }

    async fn work(&self) -> Result<(), SqlError> {
        let client = self.connector.connect().await?;
        let mut floor = 0;
        loop {
            let next = Instant::now() + LOOK;
            if !self.look_at_all(&client).await? {
                return Ok(());
            }
            loop {
                tokio::select! {
                    () = self.bell.call() => {}
                    () = sleep_until(next) => break,
                }
                while let Some(last) = self.look_at_new(&client, floor).await? {
                    floor = last;
                }
            }
        }
    }

    /// Takes up what lies above a place. Answers with the last place, when there was something. What is committed late may
    /// lie below it: then the next look at all finds it.
    async fn look_at_new(&self, client: &Session, floor: i64) -> Result<Option<i64>, SqlError> {
        let question = "SELECT id, place, body FROM call WHERE answer IS NULL AND place > $1 ORDER BY place LIMIT $2";
        let most = signed(CALLS as u64);
        self.taken.look();
        let rows = in_transaction(client, question, &[(&floor, Type::INT8), (&most, Type::INT8)]).await?;
        for row in &rows {
            self.take_up(row.get("id"), row.get("body")).await;
        }
        Ok(rows.last().map(|row| row.get("place")))
    }

    /// Takes up whatever is open. Answers whether the writer is there still.
    async fn look_at_all(&self, client: &Session) -> Result<bool, SqlError> {
        self.taken.look();
        in_transaction(client, FORGOTTEN, &[]).await?;
        let rows = in_transaction(client, "SELECT id FROM call WHERE answer IS NULL", &[]).await?;
        let open: HashSet<Uuid> = rows.iter().map(|row| row.get("id")).collect();
        let unknown: Vec<Uuid> = open.iter().copied().filter(|id| !self.taken.has(*id)).collect();
        for some in unknown.chunks(CALLS) {
            let question = "SELECT id, body FROM call WHERE id = ANY($1) AND answer IS NULL ORDER BY place";
            for row in in_transaction(client, question, &[(&some, Type::UUID_ARRAY)]).await? {
                self.take_up(row.get("id"), row.get("body")).await;
            }
        }
        self.taken.only(&open);
        Ok(self.writer.upgrade().is_some())
    }

    async fn take_up(&self, id: Uuid, body: &str) {
        let Some(call) = self.taken.take(id) else { return };
        match serde_json::from_str::<Asked>(body) {
            Ok(asked) => {
                if let Some(writer) = self.writer.upgrade() {
                    // A closed writer ends the term.
                    drop(writer.send(asked.into_command(call)).await);
                }
            }
            Err(error) => {
                let message =
                    format!("the server that decides cannot read the call: {error}; is it of another version?");
                call.refuse(&StoreError::new(StoreErrorKind::Unavailable, message));
            }
        }
    }
}

/// Rings for answers that are kept, and gives those that tell of nothing to keep, for as long as a term lasts.
pub(super) async fn ring(connector: Connector, taken: TakenUp) {
    loop {
        let rung = async {
            let client = connector.connect().await?;
            loop {
                taken.answered().await;
                for (id, answer) in taken.refused() {
                    let question = "UPDATE call SET answer = $2 WHERE id = $1 AND answer IS NULL";
                    in_transaction(&client, question, &[(&id, Type::UUID), (&answer, Type::TEXT)]).await?;
                    taken.told(id);
                }
                ring_for_answers(&client).await?;
                sleep(BETWEEN_RINGS).await;
            }
        };
        let rung: Result<(), SqlError> = rung.await;
        if let Err(error) = rung {
            tracing::debug!(%error, "answers are found without a ring");
        }
        sleep(LOOK).await;
    }
}
