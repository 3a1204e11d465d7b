//! Server and agents of the demo, in one process but with real HTTP between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use graphium_core::agent::AgentError;
use graphium_core::deploy::Runtime;
use graphium_core::id::{AgentId, InstallationId, SessionId, StackName};
use graphium_core::stack::{Deployment, DeploymentStatus, StepAction};
use graphium_core::store::{Host, HostState, PageRequest, StoreErrorKind, StoreSettings, TaskFilter};
use graphium_core::task::{TaskStatus, TaskType};
use graphium_http::client::Client;
use graphium_http::wire::{CreateToken, TokenRole};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::site::HOSTS;
use crate::agent::AgentPlan;
use crate::connection::client;
use crate::server::{RunningServer, ServerPlan};

/// The longest that a step of the story may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const AGENT_SLOTS: usize = 4;

/// A server and its agents.
#[derive(Debug)]
pub(super) struct Cluster {
    server: RunningServer,
    admin: Client,
    folder: PathBuf,
    runtime: Arc<dyn Runtime>,
    agents: BTreeMap<String, RunningAgent>,
}

#[derive(Debug)]
struct RunningAgent {
    task: JoinSet<Result<(), AgentError>>,
    stop: CancellationToken,
}

impl Cluster {
    /// Starts a server on a free port, with everything it keeps in this folder.
    pub(super) async fn start(folder: &Path, runtime: Arc<dyn Runtime>) -> anyhow::Result<Self> {
        let server = RunningServer::start(ServerPlan {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: folder.join("server"),
            database: None,
            tls: None,
            store: StoreSettings::default(),
        })
        .await?;
        let token_file = server.token_file();
        let token = tokio::fs::read_to_string(&token_file).await;
        let token = token.with_context(|| format!("cannot read {}", token_file.display()))?;
        let admin = client(&server.url(), None, Some(token.trim()))?;
        Ok(Self { server, admin, folder: folder.to_owned(), runtime, agents: BTreeMap::new() })
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.server.token_file()
    }

    pub(super) fn installation(&self) -> InstallationId {
        self.server.installation()
    }

    /// Starts the agent of a host. At its first start it joins with a one-use token; later it has its key.
    pub(super) async fn start_agent(&mut self, host: &str) -> anyhow::Result<()> {
        let id = AgentId::new(host)?;
        let state_dir = self.folder.join(host);
        let join_token = if state_dir.exists() { None } else { Some(self.join_token(&id).await?) };
        let agent = AgentPlan {
            id,
            client: client(&self.server.url(), None, None)?,
            join_token,
            state_dir,
            runtime: Arc::clone(&self.runtime),
            concurrency: AGENT_SLOTS,
        };
        let agent = agent.enrol().await?;
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(agent.run(stop.clone()));
        self.agents.insert(host.to_owned(), RunningAgent { task, stop });
        Ok(())
    }

    async fn join_token(&self, id: &AgentId) -> anyhow::Result<String> {
        let wanted = CreateToken {
            name: format!("demo {id}"),
            role: TokenRole::Join,
            ttl_seconds: None,
            agent_id: Some(id.clone()),
        };
        Ok(self.admin.create_token(&wanted).await?.token)
    }

    /// Ends an agent as a power cut would: at whatever point it is, and nothing is said to anybody.
    pub(super) async fn kill_agent(&mut self, host: &str) {
        if let Some(mut agent) = self.agents.remove(host) {
            agent.task.shutdown().await;
        }
    }

    /// Starts the agents that do not run.
    pub(super) async fn start_missing_agents(&mut self) -> anyhow::Result<()> {
        for host in HOSTS {
            if !self.agents.contains_key(host) {
                self.start_agent(host).await?;
            }
        }
        Ok(())
    }

    /// Waits until every host is known and has said what it has.
    pub(super) async fn all_ready(&self, hosts: &[&str]) -> anyhow::Result<()> {
        let is_ready = |host: &Host| host.state == HostState::Ready && host.observed_at.is_some();
        for host in hosts {
            self.host_that(host, "reports what it has", is_ready).await?;
        }
        Ok(())
    }

    pub(super) async fn session_of(&self, host: &str) -> anyhow::Result<SessionId> {
        Ok(self.admin.host(&AgentId::new(host)?).await?.session)
    }

    /// Waits until a host has another session than this one.
    pub(super) async fn another_session(&self, host: &str, than: SessionId) -> anyhow::Result<SessionId> {
        Ok(self.host_that(host, "has a new session", |host| host.session != than).await?.session)
    }

    async fn host_that(&self, host: &str, what: &str, is_it: impl Fn(&Host) -> bool) -> anyhow::Result<Host> {
        let id = AgentId::new(host)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.admin.host(&id).await {
                Ok(found) if is_it(&found) => return Ok(found),
                Ok(_) => {}
                Err(error) if error.kind() == StoreErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            ensure!(Instant::now() < deadline, "{host} did not come to where it {what} within {PATIENCE:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Hands a definition to the server.
    pub(super) async fn deploy(&self, stack: &str, definition: &str) -> anyhow::Result<Deployment> {
        Ok(self.admin.apply_stack(&StackName::new(stack)?, definition, None).await?)
    }

    /// Waits for the end of a deployment.
    pub(super) async fn settled(&self, deployment: &Deployment) -> anyhow::Result<Deployment> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.admin.deployment(&deployment.stack, deployment.generation).await?;
            if now.status != DeploymentStatus::Running {
                return Ok(now);
            }
            ensure!(Instant::now() < deadline, "generation {} did not end within {PATIENCE:?}", deployment.generation);
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the deployment's containers are done on these hosts.
    pub(super) async fn done_on(&self, deployment: &Deployment, hosts: &BTreeSet<&str>) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.admin.deployment(&deployment.stack, deployment.generation).await?;
            let mut open = 0;
            let mut steps = now.steps.iter().filter(|step| hosts.contains(step.agent.as_str()));
            for step in steps.by_ref().filter(|step| step.action != StepAction::Keep) {
                let Some(task) = step.task else {
                    open += 1;
                    continue;
                };
                match self.admin.task(task).await?.status {
                    TaskStatus::Completed => {}
                    TaskStatus::Failed | TaskStatus::Cancelled => bail!("a task of {} did not complete", step.agent),
                    TaskStatus::Pending | TaskStatus::Assigned | TaskStatus::Running => open += 1,
                }
            }
            if open == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{open} tasks did not end within {PATIENCE:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// The attempts of the latest deploy task of a host, in words.
    pub(super) async fn attempts_of(&self, host: &str, stack: &str) -> anyhow::Result<Vec<String>> {
        let filter = TaskFilter {
            task_type: Some(TaskType::Deploy),
            stack: Some(StackName::new(stack)?),
            agent: Some(AgentId::new(host)?),
            ..TaskFilter::default()
        };
        let page = self.admin.tasks(filter, PageRequest::default()).await?;
        let latest = page.items.first().with_context(|| format!("{host} has no deploy task"))?;
        let history = self.admin.task_history(latest.id).await?;
        let words = |ended: &Option<String>| ended.clone().unwrap_or_else(|| "under way".to_owned());
        Ok(history
            .attempts
            .iter()
            .map(|record| format!("attempt {} {}", record.attempt, words(&record.ended)))
            .collect())
    }

    /// How many tasks are not settled.
    pub(super) async fn open_tasks(&self) -> anyhow::Result<u64> {
        let stats = self.admin.task_stats().await?;
        Ok(stats.by_status.iter().filter(|(status, _)| !status.is_settled()).map(|(_, count)| count).sum())
    }

    /// Removes a stack and waits until every host has confirmed.
    pub(super) async fn remove_stack(&self, stack: &str) -> anyhow::Result<()> {
        let name = StackName::new(stack)?;
        match self.admin.delete_stack(&name, true).await {
            Ok(_) => {}
            // Interrupted before anything was deployed.
            Err(error) if error.kind() == StoreErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        loop {
            match self.admin.stack(&name).await {
                Err(error) if error.kind() == StoreErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error.into()),
                Ok(view) => {
                    if let DeploymentStatus::Failed { reason } = view.rollout.status {
                        bail!("the removal of stack {stack} failed: {reason}");
                    }
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Stops the agents, then the server.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        for agent in self.agents.values() {
            agent.stop.cancel();
        }
        for (host, agent) in &mut self.agents {
            while let Some(ended) = agent.task.join_next().await {
                let ended = ended.with_context(|| format!("the agent of {host} broke"))?;
                ended.with_context(|| format!("the agent of {host} ended otherwise than it should"))?;
            }
        }
        self.server.stop().await
    }
}
