//! The side of a server that does not decide: passes on what it is asked, and takes the answers away.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::bell::{Bell, ring_for_calls};
use super::connection::{Connector, Session, begin, in_transaction};
use super::fault::Reach;
use super::seat::FREE;
use crate::id::Seq;
use crate::store::sql::command::{Command, not_kept};
use crate::store::sql::error::SqlError;
use crate::store::sql::passed_on::Awaits;

/// How often answers are looked for while some are awaited, should nothing ring.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked who has left, what the newest event is, and whether the seat is free.
const TICK: Duration = Duration::from_millis(500);
/// How many calls are passed on at a time.
const CALLS: usize = 256;

/// Why a server passes nothing on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The store was closed, or nobody is left to ask.
    Closed,
    /// The seat is free, as far as can be seen.
    Free,
}

/// What this server has passed on and waits for.
pub(super) struct Relay {
    pub(super) connector: Connector,
    pub(super) server: Uuid,
    pub(super) bell: Bell,
    pub(super) head: watch::Sender<Seq>,
    awaited: HashMap<Uuid, Awaited>,
    session: Option<Session>,
}

/// Somebody who waits for an answer.
struct Awaited {
    awaits: Box<dyn Awaits>,
    /// After that nobody answers any more.
    until: Instant,
}

impl Relay {
    pub(super) fn new(connector: Connector, server: Uuid, bell: Bell, head: watch::Sender<Seq>) -> Self {
        Self { connector, server, bell, head, awaited: HashMap::new(), session: None }
    }

    /// Passes calls on until the seat is free.
    pub(super) async fn run(&mut self, inbox: &mut mpsc::Receiver<Command>, closing: &CancellationToken) -> End {
        let mut until = Instant::now() + TICK;
        let mut received = Vec::new();
        loop {
            let look = if self.awaited.is_empty() { until } else { until.min(Instant::now() + LOOK) };
            let bell = self.bell.clone();
            tokio::select! {
                biased;
                () = closing.cancelled() => return End::Closed,
                () = bell.answer() => {}
                () = sleep_until(look) => {}
                count = inbox.recv_many(&mut received, CALLS) => {
                    if count == 0 {
                        return End::Closed;
                    }
                    self.pass_on(std::mem::take(&mut received)).await;
                    continue;
                }
            }
            if let Err(error) = self.take_answers().await {
                self.session = None;
                tracing::debug!(%error, "answers cannot be read now");
            }
            if Instant::now() < until {
                continue;
            }
            until = Instant::now() + TICK;
            match self.look_after().await {
                Ok(true) => return End::Free,
                Ok(false) => {}
                Err(error) => {
                    self.session = None;
                    tracing::debug!(%error, "the database cannot be looked at now");
                }
            }
        }
    }

    /// Takes away the answers to what was passed on before this server decided by itself.
    pub(super) async fn take_the_last_answers(&mut self) {
        while !self.awaited.is_empty() {
            let bell = self.bell.clone();
            tokio::select! {
                () = bell.answer() => {}
                () = sleep(LOOK) => {}
            }
            if let Err(error) = self.take_answers().await {
                self.session = None;
                tracing::debug!(%error, "answers cannot be read now");
            }
        }
        std::future::pending().await
    }

    /// Begins anew on another connection: a transaction may be open on this one.
    pub(super) fn forget_session(&mut self) {
        self.session = None;
    }

    async fn session(&mut self) -> Result<&Session, SqlError> {
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        Ok(self.session.insert(session))
    }

    async fn pass_on(&mut self, mut commands: Vec<Command>) {
        // What another server had passed on here is taken up by whoever decides now.
        commands.retain(|command| !command.is_taken_back());
        if commands.is_empty() {
            return;
        }
        let (mut ids, mut patience, mut bodies, mut awaits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (asked, waits) in commands.into_iter().map(Command::pass_on) {
            match serde_json::to_string(&asked) {
                Ok(body) => {
                    ids.push(Uuid::now_v7());
                    patience.push(i64::try_from(asked.patience().as_millis()).unwrap_or(i64::MAX));
                    bodies.push(body);
                    awaits.push(Awaited { awaits: waits, until: Instant::now() + asked.patience() });
                }
                Err(error) => waits.tell(Err(SqlError::corrupt("a call", error).into())),
            }
        }
        let question = "
            INSERT INTO call (id, server, until_at, body)
            SELECT given.id, $1, clock_timestamp() + given.patience * interval '1 millisecond', given.body
            FROM unnest($2::uuid[], $3::bigint[], $4::text[]) AS given (id, patience, body)";
        let server = self.server;
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&server, Type::UUID),
            (&ids, Type::UUID_ARRAY),
            (&patience, Type::INT8_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
        ];
        let passed = async {
            let session = self.session().await?;
            in_transaction(session, question, &values)
                .await
                .map_err(|error| SqlError::Unsure { source: error.into() })?;
            if let Err(error) = ring_for_calls(session).await {
                tracing::debug!(%error, "the calls are found without a ring");
            }
            Ok(())
        };
        let passed: Result<(), SqlError> = passed.await;
        match passed {
            Ok(()) => self.awaited.extend(ids.into_iter().zip(awaits)),
            Err(error) => {
                self.session = None;
                awaits.into_iter().for_each(|waits| waits.awaits.tell(Err(not_kept(&error))));
            }
        }
    }

    async fn take_answers(&mut self) -> Result<(), SqlError> {
        if self.awaited.is_empty() {
            return Ok(());
        }
        let server = self.server;
        let session = self.session().await?;
        session.batch_execute(&begin()).in_time().await?;
        // One that the server that decides has in hand is taken the next time.
        let question = "
            DELETE FROM call WHERE id IN (
                SELECT id FROM call WHERE server = $1 AND answer IS NOT NULL FOR UPDATE SKIP LOCKED
            ) RETURNING id, answer";
        let rows = session.query_typed(question, &[(&server, Type::UUID)]).in_time().await?;
        let ended = session.batch_execute("COMMIT").in_time().await;
        // They were kept before: they are answers whatever becomes of this transaction.
        for row in rows {
            if let Some(waits) = self.awaited.remove(&row.get::<_, Uuid>("id")) {
                waits.awaits.tell(Ok(row.get("answer")));
            }
        }
        ended
    }

    /// Looks who has left and what the newest event is. Answers whether the seat is free.
    pub(super) async fn look_after(&mut self) -> Result<bool, SqlError> {
        let now = Instant::now();
        let over = |waits: &Awaited| waits.awaits.is_gone() || waits.until <= now;
        let gone: Vec<Uuid> = self.awaited.iter().filter(|(_, waits)| over(waits)).map(|(id, _)| *id).collect();
        for waits in gone.iter().filter_map(|id| self.awaited.remove(id)) {
            let error = SqlError::Unsure { source: "the server that decides did not answer".into() };
            waits.awaits.tell(Err(not_kept(&error)));
        }
        let session = self.session().await?;
        if !gone.is_empty() {
            let question = "
                DELETE FROM call WHERE id IN (SELECT id FROM call WHERE id = ANY($1) FOR UPDATE SKIP LOCKED)";
            in_transaction(session, question, &[(&gone, Type::UUID_ARRAY)]).await?;
        }
        let question = format!("SELECT (SELECT coalesce(max(seq), 0) FROM event) AS seq, {FREE} AS free FROM seat");
        let rows = in_transaction(session, &question, &[]).await?;
        let (newest, free) = rows.first().map_or((0, true), |row| (row.get::<_, i64>("seq"), row.get("free")));
        let newest = Seq(u64::try_from(newest).unwrap_or_default());
        self.head.send_if_modified(|head| {
            let newer = newest > *head;
            *head = newest.max(*head);
            newer
        });
        Ok(free)
    }
}
