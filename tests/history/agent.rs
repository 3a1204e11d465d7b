//! An agent as a process of its own: the agent of the library with an engine in memory, over HTTP, with a journal.
//!
//! The test program starts itself again as this; what the process must know comes in its environment.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use graphium_core::agent::{Agent, AgentConfig, AgentError};
use graphium_core::deploy::{Deployer, EngineDeployer, HostIdentity, MemoryRuntime};
use graphium_core::execute::ExecutorRegistry;
use graphium_core::id::AgentId;
use graphium_core::task::TaskType;
use graphium_http::client::{AgentCredential, AgentKey, Client, HttpAgent};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::recorded::Recorded;
use crate::script::{self, Scripted};

/// The variable that makes the test program an agent, with what it must know.
pub(crate) const VARIABLE: &str = "GRAPHIUM_HISTORY_AGENT";
/// What the process ends with when another one took over: no fault of anybody.
pub(crate) const TAKEN_OVER: u8 = 3;
/// The machine that every process of an agent runs on.
pub(crate) const MACHINE: &str = "history";
const SLOTS: usize = 6;

/// What an agent process must know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) id: AgentId,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) identity: graphium_core::id::InstallationId,
    pub(crate) journal: PathBuf,
    pub(crate) lease: Duration,
    pub(crate) seed: u64,
    /// Whether it has given up its bad habits.
    pub(crate) calm: bool,
}

/// Runs until SIGTERM.
pub(crate) fn main(orders: &str) -> ExitCode {
    match serde_json::from_str(orders).map_err(anyhow::Error::from).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the log of the process")]
            {
                eprintln!("{error:?}");
            }
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(orders: Orders) -> anyhow::Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let mut asked = signal(SignalKind::terminate())?;
    let client = Client::builder(&orders.url).call_timeout(orders.lease * 2).build()?;
    let credential = AgentCredential::new(orders.id.clone(), AgentKey::from_text(&orders.key)?);
    let journal = Arc::new(Journal::open(&orders.journal)?);
    let line = Recorded::new(HttpAgent::new(client, credential), journal, orders.lease, orders.seed, orders.calm);

    let owner = HostIdentity { installation: orders.identity, host: orders.id.clone() };
    let deployer: Arc<dyn Deployer> = Arc::new(EngineDeployer::new(Arc::new(MemoryRuntime::new()), owner));
    let executors = ExecutorRegistry::builtin(Arc::clone(&deployer))
        .with(TaskType::Restart, Arc::new(Scripted))
        .with(script::work(), Arc::new(Scripted));
    let config = AgentConfig {
        slots: SLOTS,
        poll_wait: orders.lease * 2,
        stop_grace: Duration::from_millis(200),
        cancel_grace: Duration::from_millis(500),
        call_timeout: orders.lease,
        inventory_interval: orders.lease,
        seed: Some(orders.seed),
        ..AgentConfig::new(orders.id, MACHINE)
    };
    let running = Agent::new(config, Arc::new(line), executors, Some(deployer))?.run(shutdown.clone());
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        _ = asked.recv() => {
            shutdown.cancel();
            running.await
        }
    };
    match ended {
        Err(AgentError::TakenOver { .. }) => Ok(ExitCode::from(TAKEN_OVER)),
        ended => ended.context("the agent ended").map(|()| ExitCode::SUCCESS),
    }
}
