//! `graphium agent`.

mod enrolment;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use graphium_core::agent::{Agent, AgentConfig, DEFAULT_SLOTS};
use graphium_core::deploy::docker::DockerRuntime;
use graphium_core::deploy::{Deployer, EngineDeployer, HostIdentity, Runtime};
use graphium_core::execute::ExecutorRegistry;
use graphium_core::id::AgentId;
use graphium_http::client::Client;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::connection::client;
use crate::data_dir::agent_state_dir;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::settings::Settings;
use enrolment::Enrolment;

/// Between two tries to reach the engine.
const KNOCK_EVERY: Duration = Duration::from_secs(2);

/// Runs the agent of this host: it pulls tasks from the server and does them on the local engine
///
/// The first start joins with a one-use token (`graphium token create`) and keeps a key of its own in the state
/// folder; later starts need no token. SIGINT or SIGTERM stops it gracefully, a second one at once.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// The id of this host
    #[arg(long, env = "GRAPHIUM_AGENT_ID", value_name = "ID")]
    id: Option<AgentId>,
    /// The server
    #[arg(long, env = "GRAPHIUM_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The token to join with, at the first start
    #[arg(long, env = "GRAPHIUM_JOIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    join_token: Option<String>,
    /// The authority that signed the server's certificate, as PEM
    #[arg(long, env = "GRAPHIUM_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where to keep the key [default: agents/ID under /var/lib/graphium for root, else ~/.local/state/graphium]
    #[arg(long, env = "GRAPHIUM_STATE_DIR", value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// The engine's socket [default: that of DOCKER_HOST, else /var/run/docker.sock]
    #[arg(long, env = "GRAPHIUM_DOCKER_SOCKET", value_name = "PATH")]
    docker_socket: Option<PathBuf>,
    /// How many tasks run at once
    #[arg(long, env = "GRAPHIUM_CONCURRENCY", value_name = "NUMBER")]
    concurrency: Option<usize>,
}

/// How an agent is to be.
#[derive(Debug)]
pub(crate) struct AgentPlan {
    pub(crate) id: AgentId,
    pub(crate) client: Client,
    pub(crate) join_token: Option<String>,
    pub(crate) state_dir: PathBuf,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) concurrency: usize,
}

impl AgentPlan {
    /// Joins, at the first start, and answers with the agent, ready to run.
    pub(crate) async fn enrol(self) -> anyhow::Result<Agent> {
        let enrolment = Enrolment::open(&self.state_dir, &self.id)?;
        let enrolled = enrolment.enrol(&self.client, self.join_token.as_deref()).await?;
        let owner = HostIdentity { installation: enrolled.installation, host: self.id.clone() };
        let deployer: Arc<dyn Deployer> = Arc::new(EngineDeployer::new(self.runtime, owner));
        let executors = ExecutorRegistry::builtin(Arc::clone(&deployer));
        let config = AgentConfig { slots: self.concurrency, ..AgentConfig::new(self.id, enrolled.machine) };
        Ok(Agent::new(config, Arc::new(enrolled.store), executors, Some(deployer))
            .map_err(|error| Failure::usage(error.to_string()))?)
    }
}

impl AgentArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let mut interrupts = Interrupts::listen()?;
        let Some(plan) = interrupts.or(self.plan(settings)).await else { return Ok(Exit::Interrupted) };
        let plan = plan?;
        let (id, url) = (plan.id.clone(), plan.client.url().to_owned());
        let state_dir = plan.state_dir.clone();
        let Some(agent) = interrupts.or(plan.enrol()).await else { return Ok(Exit::Interrupted) };
        let agent = agent?;
        // An agent works whether or not somebody reads what it prints.
        let facts = format!("agent        {id}\nserver       {url}\nstate        {}", state_dir.display());
        drop(writeln!(io::stdout(), "{facts}"));

        let stop = CancellationToken::new();
        let running = agent.run(stop.clone());
        tokio::pin!(running);
        if let Some(ended) = interrupts.or(&mut running).await {
            return Ok(ended.map(|()| Exit::Done)?);
        }
        tracing::info!("stopping: what runs may finish or is handed back; once more ends it at once");
        stop.cancel();
        match interrupts.or(&mut running).await {
            Some(ended) => Ok(ended.map(|()| Exit::Done)?),
            None => Ok(Exit::Interrupted),
        }
    }

    async fn plan(self, settings: Settings) -> anyhow::Result<AgentPlan> {
        let file = settings.agent;
        let id = match (self.id, file.id) {
            (Some(id), _) => id,
            (None, Some(id)) => AgentId::new(id).map_err(|error| Failure::usage(error.to_string()))?,
            (None, None) => return Err(needed("id of this host", "--id").into()),
        };
        let server = self.server.or(file.server).ok_or_else(|| needed("server", "--server"))?;
        let ca = self.ca_file.or(file.ca_file);
        let socket = self.docker_socket.or(file.docker_socket);
        Ok(AgentPlan {
            client: client(&server, ca.as_deref(), None)?,
            join_token: self.join_token.or(file.join_token),
            state_dir: agent_state_dir(self.state_dir.or(file.state_dir), &id)?,
            runtime: engine(socket.as_deref()).await,
            concurrency: self.concurrency.or(file.concurrency).unwrap_or(DEFAULT_SLOTS),
            id,
        })
    }
}

/// The engine, however long it takes to come up: at boot it may be later than the agent.
async fn engine(socket: Option<&Path>) -> Arc<dyn Runtime> {
    let mut told = false;
    loop {
        let connected = match socket {
            Some(socket) => DockerRuntime::connect_with(socket).await,
            None => DockerRuntime::connect().await,
        };
        match connected {
            Ok(runtime) => return Arc::new(runtime),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("{error}: trying again until it does");
                }
                sleep(KNOCK_EVERY).await;
            }
        }
    }
}

fn needed(what: &str, flag: &str) -> Failure {
    Failure::usage(format!("the {what} is needed"))
        .advice(format!("give it with {flag}, or in the [agent] part of the settings file"))
}
