//! A server in a process of its own, and its clients here.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use graphium_core::store::AgentStore;
use graphium_http::client::{AgentCredential, AgentKey, Client, HttpAgent};
use graphium_http::wire::{CreateToken, TokenRole};
use serde::de::DeserializeOwned;

use crate::child::Child;
use crate::life;
use crate::roles::{ServerSays, Serves};

/// A served SQLite store.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// May do everything.
    pub(crate) admin: Client,
}

/// A fresh port of this machine, when it is not said which.
pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

impl Server {
    /// Serves the store in this folder.
    pub(crate) async fn start(folder: &Path, listen: &str) -> anyhow::Result<Self> {
        let folder = folder.to_str().context("the folder has a name in UTF-8")?;
        let mut child = Child::role("serve", [folder, listen])?;
        let Serves { url, token } = child.hear().await?;
        let admin = Client::builder(&url).token(token).build()?;
        Ok(Self { child, url, admin })
    }

    /// Lets so many agents in, all with one key.
    pub(crate) async fn enrol(&mut self, count: usize) -> anyhow::Result<AgentKey> {
        let call = CreateToken { name: "bench".into(), role: TokenRole::Join, ttl_seconds: None, agent_id: None };
        let token = self.admin.create_token(&call).await?.token;
        let key = AgentKey::generate()?;
        AgentCredential::join(&self.admin, &token, life::agent(0)?, key.clone(), life::MACHINE).await?;
        self.ask::<ServerSays>(&format!("enrol {count}")).await?;
        Ok(key)
    }

    /// An agent that was let in.
    pub(crate) fn agent(&self, number: usize, key: &AgentKey) -> anyhow::Result<Arc<dyn AgentStore>> {
        let credential = AgentCredential::new(life::agent(number)?, key.clone());
        Ok(Arc::new(HttpAgent::new(self.admin.clone(), credential)))
    }

    /// The number of its newest event.
    pub(crate) async fn head(&mut self) -> anyhow::Result<u64> {
        Ok(self.ask::<ServerSays>("head").await?.head)
    }

    async fn ask<T: DeserializeOwned>(&mut self, order: &str) -> anyhow::Result<T> {
        self.child.ask(order).await
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id()
    }

    /// Lets it finish.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.child.end().await
    }

    /// Kills it as a crash does.
    pub(crate) async fn kill(self) -> anyhow::Result<()> {
        self.child.kill().await.map(drop)
    }
}
