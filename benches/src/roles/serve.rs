//! A process that serves a store, as `graphium server` does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use graphium_core::clock::SystemClock;
use graphium_core::control::Control;
use graphium_core::store::{
    Expected, MAX_RECORDS_PER_SUBMISSION, RecordKey, RecordKind, RecordWrite, Submission, TaskStore,
};
use graphium_http::server::{ADMIN_TOKEN_FILE, ServerConfig, serve};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{orders, say};
use crate::ground::Ground;
use crate::life;

/// The folder of its data, and where it listens.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    folder: PathBuf,
    listen: SocketAddr,
}

/// Where it serves, and the token that may do everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Serves {
    pub(crate) url: String,
    pub(crate) token: String,
}

/// The answer to an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerSays {
    /// The number of the newest event.
    pub(crate) head: u64,
}

impl Serve {
    pub(super) async fn play(self) -> anyhow::Result<()> {
        let ground = Ground::at(&self.folder.join("graphium.db"), Arc::new(SystemClock)).await?;
        let control = Control::new(Arc::clone(&ground.store), Arc::new(SystemClock));
        let stop = CancellationToken::new();
        let config = ServerConfig::new(self.listen, &self.folder);
        let server = serve(config, control.clone(), stop.clone()).await?;
        let mut running = JoinSet::new();
        running.spawn(control.run(stop.clone()));
        let token = std::fs::read_to_string(self.folder.join(ADMIN_TOKEN_FILE))?;
        say(&Serves { url: server.url(), token: token.trim().to_owned() })?;
        let mut orders = orders();
        while let Some(order) = orders.next_line().await? {
            match order.split_once(' ') {
                Some(("enrol", count)) => enrol(&*ground.store, count.parse()?).await?,
                None if order == "head" => {}
                _ => bail!("{order:?} is no order"),
            }
            say(&ServerSays { head: ground.store.head().borrow().0 })?;
        }
        stop.cancel();
        server.stopped().await?;
        running.join_all().await;
        ground.close().await;
        Ok(())
    }
}

/// Gives the credential of the first agent, which has joined as agents do, to so many agents: thousands of joins would take
/// longer than what is measured.
async fn enrol(store: &dyn TaskStore, count: usize) -> anyhow::Result<()> {
    let key = |number| anyhow::Ok(RecordKey::new(RecordKind::Credential, life::agent(number)?.as_str()));
    let first = store.record(&key(0)?).await?.context("the first agent has joined")?;
    let numbers: Vec<_> = (1..count).collect();
    for numbers in numbers.chunks(MAX_RECORDS_PER_SUBMISSION) {
        let write = |number: &usize| {
            anyhow::Ok(RecordWrite { key: key(*number)?, expected: Expected::Absent, body: Some(first.body.clone()) })
        };
        let records = numbers.iter().map(write).collect::<Result<_, _>>()?;
        store.submit(Submission { records, actor: "bench".into(), ..Submission::default() }).await?;
    }
    Ok(())
}
