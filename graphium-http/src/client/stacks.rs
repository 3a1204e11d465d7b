//! Calls about stacks.

use graphium_core::control::{StackPlan, StackSummary, StackView};
use graphium_core::id::{Generation, StackName};
use graphium_core::stack::{Deployment, DeploymentAction};
use graphium_core::store::{Page, PageRequest};
use http::Method;
use http::header::CONTENT_TYPE;
use reqwest::RequestBuilder;
use serde_json::json;

use super::builder::Client;
use super::error::ClientError;
use super::tasks::page_query;
use crate::wire::Validated;

/// Each fails with a [`ClientError`] when the server is not reached or refuses. A definition is one resolved JSON-LD text.
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    fn definition(&self, method: Method, path: &[&str], text: &str) -> RequestBuilder {
        self.call(method, path).header(CONTENT_TYPE, "application/ld+json").body(text.to_owned())
    }

    /// Reads a definition and says everything that is wrong with it.
    pub async fn validate_stack(&self, definition: &str) -> Result<Validated, ClientError> {
        self.read(self.definition(Method::POST, &["stacks", "validate"], definition)).await
    }

    /// What applying a definition would do now.
    pub async fn plan_stack(&self, name: &StackName, definition: &str) -> Result<StackPlan, ClientError> {
        let request = self.definition(Method::PUT, &["stacks", name.as_str()], definition);
        self.read(request.query(&[("plan", "true")])).await
    }

    /// Applies a definition; with a plan's hash only if that is still the plan.
    pub async fn apply_stack(
        &self,
        name: &StackName,
        definition: &str,
        plan_hash: Option<&str>,
    ) -> Result<Deployment, ClientError> {
        let request = self.definition(Method::PUT, &["stacks", name.as_str()], definition);
        self.read(request.query(&plan_hash.map(|hash| [("planHash", hash)]))).await
    }

    /// A page of stacks, by name.
    pub async fn stacks(&self, page: PageRequest) -> Result<Page<StackSummary>, ClientError> {
        self.get(&["stacks"], &page_query(page)).await
    }

    /// One stack: what is wanted, what was observed, and how far the rollout is.
    pub async fn stack(&self, name: &StackName) -> Result<StackView, ClientError> {
        self.get(&["stacks", name.as_str()], &()).await
    }

    /// Stops, starts or restarts a stack, or deletes it and keeps its volumes.
    pub async fn act_on_stack(&self, name: &StackName, action: DeploymentAction) -> Result<Deployment, ClientError> {
        let verb = match action {
            DeploymentAction::Stop => "stop",
            DeploymentAction::Start => "start",
            DeploymentAction::Restart => "restart",
            DeploymentAction::Delete => return self.delete_stack(name, false).await,
            DeploymentAction::Deploy => {
                return Err(ClientError::Setup("a deployment needs a definition: apply one".into()));
            }
        };
        self.post(&["stacks", name.as_str(), verb], &json!({})).await
    }

    /// Removes a stack from every host, with its named volumes if asked.
    pub async fn delete_stack(&self, name: &StackName, remove_volumes: bool) -> Result<Deployment, ClientError> {
        let request = self.call(Method::DELETE, &["stacks", name.as_str()]);
        self.read(request.query(&[("removeVolumes", remove_volumes)])).await
    }

    /// A page of the deployments of a stack, oldest first.
    pub async fn deployments(&self, name: &StackName, page: PageRequest) -> Result<Page<Deployment>, ClientError> {
        self.get(&["stacks", name.as_str(), "deployments"], &page_query(page)).await
    }

    /// One deployment of a stack.
    pub async fn deployment(&self, name: &StackName, generation: Generation) -> Result<Deployment, ClientError> {
        self.get(&["stacks", name.as_str(), "deployments", &generation.to_string()], &()).await
    }
}
