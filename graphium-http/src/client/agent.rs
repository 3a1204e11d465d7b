//! The agent's side of a store over HTTP: agent code cannot tell it from the store itself.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use graphium_core::id::{AgentId, InstallationId};
use graphium_core::store::{AgentStore, ClaimAnswer, ClaimRequest, InventoryReport, StoreError, StoreErrorKind};
use http::Method;

use super::builder::Client;
use super::credential::AgentCredential;
use super::error::ClientError;
use crate::wire::{ClaimCall, ClaimReply, InventoryCall};

/// How long past its wait a claim may take. Wait and margin stay below a lease: a connection that died unnoticed must
/// not cost the work that is under way.
pub const POLL_MARGIN: Duration = Duration::from_secs(10);

/// An agent's connection to its server.
#[derive(Debug, Clone)]
pub struct HttpAgent {
    client: Client,
    credential: Arc<AgentCredential>,
}

impl HttpAgent {
    /// The connection of an agent that has joined.
    #[must_use]
    pub fn new(client: Client, credential: AgentCredential) -> Self {
        Self { client, credential: Arc::new(credential) }
    }

    /// The agent's credential.
    #[must_use]
    pub fn credential(&self) -> &AgentCredential {
        &self.credential
    }

    /// The installation that the agent belongs to.
    ///
    /// # Errors
    /// [`ClientError`] when the server is not reached or does not know the agent.
    pub async fn installation(&self) -> Result<InstallationId, ClientError> {
        self.credential.installation(&self.client).await
    }

    /// Makes a call with a token that is good; once more with a new one when it has just ceased to be.
    async fn with_credential<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, ClientError>> + Send,
    {
        let token = self.credential.token(&self.client, None).await?;
        match call(self.client.with_token(&*token)).await {
            Err(error) if error.kind() == StoreErrorKind::Unauthorized => {
                let token = self.credential.token(&self.client, Some(&token)).await?;
                Ok(call(self.client.with_token(&*token)).await?)
            }
            answer => Ok(answer?),
        }
    }

    fn check(&self, agent: &AgentId) -> Result<(), StoreError> {
        let own = self.credential.agent();
        if own == agent {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::Forbidden,
            format!("the credential of agent {own} is not good for agent {agent}"),
        ))
    }
}

#[async_trait]
impl AgentStore for HttpAgent {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.check(agent)?;
        let (session, claim_id) = (request.session, request.claim_id);
        let limit = request.wait.saturating_add(self.client.call_timeout().min(POLL_MARGIN));
        let body = Arc::new(ClaimCall::from(request));
        let reply = self
            .with_credential(|client| {
                let body = Arc::clone(&body);
                async move {
                    let path = ["agents", agent.as_str(), "claims"];
                    client.read::<ClaimReply>(client.call(Method::POST, &path).timeout(limit).json(&*body)).await
                }
            })
            .await?;
        reply.into_answer(session, claim_id).map_err(|error| self.client.unreadable(error.to_string()).into())
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.check(agent)?;
        let body = Arc::new(InventoryCall::from(report));
        self.with_credential(|client| {
            let body = Arc::clone(&body);
            async move {
                let path = ["agents", agent.as_str(), "inventory"];
                client.done(client.call(Method::PUT, &path).json(&*body)).await
            }
        })
        .await
    }
}
