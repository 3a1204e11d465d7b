//! Connections to a PostgreSQL server.

use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Connection, NoTls, Row, Socket};

use super::fault::{Reach, not_reached};
use crate::store::sql::error::SqlError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a whole call may take, with its way to the server and back.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// How many connections read at a time.
const READERS: usize = 4;
/// How long a free connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);

/// What every transaction begins with: the names of the tables, and how long the server may work on a statement, wait for a
/// lock and wait for us. Said in each transaction, so that none depends on what was said on its connection before. Rows are found by
/// their keys: a planner that knows nothing yet of a table that grows must not go through all of it.
const SETTINGS: &str = "
    SET LOCAL search_path = graphium; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '3s';
    SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;";

/// Begins a transaction that writes, whatever the defaults of the database are.
pub(super) fn begin() -> String {
    format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {SETTINGS}")
}

/// One question in a transaction of its own.
pub(super) async fn in_transaction(
    client: &Client,
    question: &str,
    values: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, SqlError> {
    client.batch_execute(&begin()).in_time().await?;
    let answer = client.query_typed(question, values).in_time().await;
    let end = if answer.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).in_time().await?;
    answer
}

/// Opens connections.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    config: Config,
}

impl Connector {
    /// To the server that a URL or a list of `key=value` names.
    pub(super) fn to(url: &str) -> Result<Self, SqlError> {
        let mut config = Config::from_str(url).map_err(|source| SqlError::Address { source: source.into() })?;
        config.connect_timeout(CONNECT).application_name("graphium");
        Ok(Self { config })
    }

    /// Opens a connection that whoever asks drives by himself.
    pub(super) async fn dial(&self) -> Result<(Client, Connection<Socket, NoTlsStream>), SqlError> {
        let opened = timeout(CONNECT, self.config.connect(NoTls)).await;
        opened.map_err(|_| SqlError::Slow)?.map_err(not_reached)
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Session, SqlError> {
        let (client, connection) = self.dial().await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        Ok(Session { client, _driver: driver })
    }
}

/// A connection, which ends with the value.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    _driver: JoinSet<()>,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A few connections, each used by one read at a time.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    connector: Connector,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Session>>>,
}

/// A connection on which a transaction reads. Dropped before its end it is closed, and the transaction with it.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) client: Session,
    idle: Arc<Mutex<Vec<Session>>>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, permits: Arc::new(Semaphore::new(READERS)), idle: Arc::default() }
    }

    /// Begins to read: all questions see the same state of the database.
    pub(super) async fn begin(&self) -> Result<Reading, SqlError> {
        let permit = timeout(ACQUIRE, Arc::clone(&self.permits).acquire_owned()).await.map_err(|_| SqlError::Slow)?;
        let permit = permit.map_err(|_| SqlError::Closed)?;
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {SETTINGS}");
        loop {
            let idle = lock(&self.idle).pop();
            let (client, is_new) = match idle {
                Some(client) => (client, false),
                None => (self.connector.connect().await?, true),
            };
            match client.batch_execute(&begin).in_time().await {
                Ok(()) => return Ok(Reading { client, idle: Arc::clone(&self.idle), _permit: permit }),
                // A connection that has ended unnoticed says nothing of the server, and the others may have ended with it.
                Err(_) if !is_new => lock(&self.idle).clear(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets no read begin.
    pub(super) fn close(&self) {
        self.permits.close();
        lock(&self.idle).clear();
    }
}

impl Reading {
    /// Ends the transaction; the connection is used again.
    pub(super) async fn end(self) -> Result<(), SqlError> {
        let Self { client, idle, _permit } = self;
        client.batch_execute("COMMIT").in_time().await?;
        lock(&idle).push(client);
        Ok(())
    }
}

fn lock(idle: &Mutex<Vec<Session>>) -> std::sync::MutexGuard<'_, Vec<Session>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
