//! Calls about hosts and what runs on them.

use graphium_core::id::{AgentId, StackName};
use graphium_core::store::{Host, Page, PageRequest};

use super::builder::Client;
use super::error::ClientError;
use super::tasks::page_query;
use crate::wire::{HostSummary, InstanceView};

/// Which instances. Every field that is set narrows the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceFilter {
    /// Of this stack.
    pub stack: Option<StackName>,
    /// On this host.
    pub agent: Option<AgentId>,
}

/// Each fails with a [`ClientError`] when the server is not reached or refuses.
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// A page of hosts, by id.
    pub async fn hosts(&self, page: PageRequest) -> Result<Page<HostSummary>, ClientError> {
        self.get(&["agents"], &page_query(page)).await
    }

    /// One host with its instances.
    pub async fn host(&self, id: &AgentId) -> Result<Host, ClientError> {
        self.get(&["agents", id.as_str()], &()).await
    }

    /// Makes the credential of an agent void.
    pub async fn revoke_agent(&self, id: &AgentId) -> Result<(), ClientError> {
        self.delete(&["agents", id.as_str()]).await
    }

    /// A page of instances over all hosts.
    pub async fn instances(
        &self,
        filter: InstanceFilter,
        page: PageRequest,
    ) -> Result<Page<InstanceView>, ClientError> {
        let mut query = page_query(page);
        query.extend(filter.stack.map(|stack| ("stackId", stack.to_string())));
        query.extend(filter.agent.map(|agent| ("agentId", agent.to_string())));
        self.get(&["instances"], &query).await
    }
}
