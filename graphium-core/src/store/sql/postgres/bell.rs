//! Wake-up hints between servers: that there is a call, or an answer. Whoever misses one finds the same by looking.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client};

use super::connection::Connector;
use super::fault::Reach;
use crate::store::sql::error::SqlError;

/// The channel of the database.
const CHANNEL: &str = "graphium";
const CALL: &str = "call";
const ANSWER: &str = "answer";
/// How often a line on which nothing comes is tried.
const PROBE: Duration = Duration::from_secs(10);
/// How long to wait, at most, before a line that broke is laid anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What rings.
#[derive(Debug, Clone, Default)]
pub(super) struct Bell {
    calls: Arc<Notify>,
    answers: Arc<Notify>,
}

impl Bell {
    /// Waits until there may be calls.
    pub(super) async fn call(&self) {
        self.calls.notified().await;
    }

    /// Waits until there may be answers.
    pub(super) async fn answer(&self) {
        self.answers.notified().await;
    }

    /// Listens for ever.
    pub(super) async fn listen(self, connector: Connector) {
        loop {
            if let Err(error) = self.listen_once(&connector).await {
                tracing::debug!(%error, "nothing is heard from the database; it is looked at from time to time");
            }
            // What came while nobody listened.
            self.calls.notify_one();
            self.answers.notify_one();
            let pause = LONGEST_PAUSE.mul_f64(rand::rng().random());
            tokio::time::sleep(pause).await;
        }
    }

    async fn listen_once(&self, connector: &Connector) -> Result<(), SqlError> {
        let (client, mut connection) = connector.dial().await?;
        let hear = async {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(note) = message? {
                    match note.payload() {
                        CALL => self.calls.notify_one(),
                        ANSWER => self.answers.notify_one(),
                        // Of another version.
                        _ => {
                            self.calls.notify_one();
                            self.answers.notify_one();
                        }
                    }
                }
            }
            Ok(())
        };
        let ask = async {
            client.batch_execute(&format!("LISTEN {CHANNEL}")).in_time().await?;
            self.calls.notify_one();
            self.answers.notify_one();
            loop {
                tokio::time::sleep(PROBE).await;
                timeout(PROBE, client.batch_execute("SELECT 1")).await.map_err(|_| SqlError::Slow)??;
            }
        };
        tokio::select! {
            heard = hear => heard,
            asked = ask => asked,
        }
    }
}

/// Says that there are calls.
pub(super) async fn ring_for_calls(client: &Client) -> Result<(), SqlError> {
    client.batch_execute(&format!("SELECT pg_notify('{CHANNEL}', '{CALL}')")).in_time().await
}

/// Says that there are answers.
pub(super) async fn ring_for_answers(client: &Client) -> Result<(), SqlError> {
    client.batch_execute(&format!("SELECT pg_notify('{CHANNEL}', '{ANSWER}')")).in_time().await
}
