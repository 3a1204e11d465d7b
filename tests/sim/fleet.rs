//! The agent processes: started, killed, stopped, doubled.

use std::collections::BTreeMap;
use std::sync::Arc;

use graphium_core::agent::{Agent, AgentConfig, AgentError};
use graphium_core::id::AgentId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::line::Line;
use crate::record::Recorder;
use crate::script;

/// The machine of processes that serve an agent besides its own one.
pub(crate) const ELSEWHERE: &str = "elsewhere";

type End = Result<(), AgentError>;

/// One life of an agent. Dropping it kills it.
#[derive(Debug)]
struct Process {
    run: JoinSet<End>,
    shutdown: CancellationToken,
}

/// Every process of every agent.
#[derive(Debug)]
pub(crate) struct Fleet {
    store: Arc<Line>,
    recorder: Arc<Recorder>,
    agents: Vec<AgentId>,
    living: BTreeMap<AgentId, Process>,
    /// Processes that another one has taken over from, and those that wait on another machine.
    others: Vec<(AgentId, Process)>,
    lives: u64,
    complaints: Vec<String>,
}

impl Fleet {
    pub(crate) fn new(store: Arc<Line>, recorder: Arc<Recorder>, agents: Vec<AgentId>, seed: u64) -> Self {
        let lives = seed.wrapping_mul(1_000);
        Self { store, recorder, agents, living: BTreeMap::new(), others: Vec::new(), lives, complaints: Vec::new() }
    }

    pub(crate) fn agents(&self) -> &[AgentId] {
        &self.agents
    }

    fn process(&mut self, agent: &AgentId, machine: &str) -> Process {
        self.lives += 1;
        let config = AgentConfig { slots: 3, seed: Some(self.lives), ..AgentConfig::new(agent.clone(), machine) };
        let store = Arc::<Line>::clone(&self.store);
        let agent = Agent::new(config, store, script::executors(&self.recorder), None).unwrap();
        let (mut run, shutdown) = (JoinSet::new(), CancellationToken::new());
        run.spawn(agent.run(shutdown.clone()));
        Process { run, shutdown }
    }

    /// Starts the agent unless it lives.
    pub(crate) fn start(&mut self, agent: &AgentId) {
        if !self.living.contains_key(agent) {
            let process = self.process(agent, agent.as_str());
            self.living.insert(agent.clone(), process);
        }
    }

    pub(crate) fn start_all(&mut self) {
        for agent in self.agents.clone() {
            self.start(&agent);
        }
    }

    /// As `kill -9`: nothing of it goes on.
    pub(crate) fn kill(&mut self, agent: &AgentId) {
        self.living.remove(agent);
    }

    /// Stops the agent gracefully and waits for its end.
    pub(crate) async fn stop(&mut self, agent: &AgentId) {
        if let Some(process) = self.living.remove(agent) {
            self.end(agent, process).await;
        }
    }

    /// Starts a second process on the same machine while the first one lives.
    pub(crate) fn double(&mut self, agent: &AgentId) {
        let second = self.process(agent, agent.as_str());
        if let Some(first) = self.living.insert(agent.clone(), second) {
            self.recorder.twin(agent.clone());
            self.others.push((agent.clone(), first));
        }
    }

    /// Starts a process with this id on another machine; it has to wait while the agent lives.
    pub(crate) fn intrude(&mut self, agent: &AgentId) {
        let process = self.process(agent, ELSEWHERE);
        if self.others.iter().any(|(other, _)| other == agent) {
            self.recorder.twin(agent.clone());
        }
        self.others.push((agent.clone(), process));
    }

    /// Stops everything and answers with what went wrong.
    pub(crate) async fn finish(mut self) -> Vec<String> {
        for (agent, process) in std::mem::take(&mut self.others) {
            self.end(&agent, process).await;
        }
        for (agent, process) in std::mem::take(&mut self.living) {
            self.end(&agent, process).await;
        }
        self.complaints
    }

    async fn end(&mut self, agent: &AgentId, mut process: Process) {
        process.shutdown.cancel();
        match process.run.join_next().await {
            Some(Ok(Ok(()) | Err(AgentError::TakenOver { .. }))) => {}
            other => self.complaints.push(format!("agent {agent} ended otherwise than asked: {other:?}")),
        }
    }
}
