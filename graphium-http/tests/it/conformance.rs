//! Every promise of a store, kept where its agents speak HTTP: an agent cannot tell a client from the store behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use graphium_core::conformance::store::StoreHarness;
use graphium_core::id::AgentId;
use graphium_core::store::{AgentStore, ClaimAnswer, ClaimRequest, InventoryReport, StoreError};
use graphium_core::task_store_conformance;
use graphium_http::client::{Client, HttpAgent};
use tokio::sync::OnceCell;

use crate::harness::{Ground, join};

/// An agent that joins with its first call: the suite does not know that one has to.
#[derive(Debug)]
struct JoinsFirst {
    admin: Client,
    agent: AgentId,
    joined: OnceCell<HttpAgent>,
}

impl JoinsFirst {
    async fn side(&self) -> &HttpAgent {
        self.joined.get_or_init(|| join(&self.admin, self.agent.as_str())).await
    }
}

#[async_trait]
impl AgentStore for JoinsFirst {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.side().await.claim(agent, request).await
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.side().await.inventory(agent, report).await
    }
}

async fn over_http() -> StoreHarness {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let known: Mutex<HashMap<AgentId, Arc<JoinsFirst>>> = Mutex::default();
    let side = move |agent: &AgentId| -> Arc<dyn AgentStore> {
        let mut known = known.lock().unwrap();
        let first = || JoinsFirst { admin: admin.clone(), agent: agent.clone(), joined: OnceCell::new() };
        Arc::clone(known.entry(agent.clone()).or_insert_with(|| Arc::new(first()))) as _
    };
    let (store, clock) = (Arc::clone(&ground.store), Arc::clone(&ground.clock));
    StoreHarness::new(store, clock).with_agent_side(Box::new(side)).guarded_by((ground, server))
}

task_store_conformance!(memory_over_http, over_http);
