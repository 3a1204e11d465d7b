//! The agent processes of a run: started, killed, stopped, held, doubled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use graphium_core::id::{AgentId, InstallationId};
use graphium_http::client::{AgentCredential, AgentKey, Client, HttpAgent};
use graphium_http::wire::{CreateToken, TokenRole};
use graphium_tests::Line;
use rustix::process::{Signal, kill_process};
use tokio::process::{Child, Command};

use crate::agent::{self, Orders, TAKEN_OVER};
use crate::clock::WrongClock;
use crate::ledger::Ledger;
use crate::server::{LEASE, PATIENCE, process};

/// An agent that has joined.
#[derive(Debug)]
struct Member {
    orders: Orders,
    line: Line,
    clock: Option<WrongClock>,
    living: Option<Child>,
    /// Processes that another one took over from, or may have.
    others: Vec<Child>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Fleet {
    folder: PathBuf,
    ledger: Arc<Ledger>,
    members: BTreeMap<AgentId, Member>,
    lives: u64,
    calm: bool,
}

impl Fleet {
    pub(crate) fn new(folder: PathBuf, ledger: Arc<Ledger>, seed: u64) -> Self {
        Self { folder, ledger, members: BTreeMap::new(), lives: seed, calm: false }
    }

    /// An agent joins, and gets a line of its own to the server.
    pub(crate) async fn join(&mut self, admin: &Client, server: u16, id: &str, wrong: bool) -> anyhow::Result<()> {
        let id = AgentId::new(id)?;
        let token =
            CreateToken { name: id.to_string(), role: TokenRole::Join, ttl_seconds: None, agent_id: Some(id.clone()) };
        let token = admin.create_token(&token).await?.token;
        let key = AgentKey::generate()?;
        let credential = AgentCredential::join(admin, &token, id.clone(), key.clone(), agent::MACHINE).await?;
        let identity: InstallationId = HttpAgent::new(admin.clone(), credential).installation().await?;
        let line = Line::to(server).await?;
        let clock = wrong.then(|| WrongClock::new(&self.folder.join(format!("{id}.clock")))).transpose()?;
        let orders = Orders {
            id: id.clone(),
            url: line.url(),
            key: key.to_text(),
            identity,
            journal: PathBuf::new(),
            lease: LEASE,
            seed: 0,
            calm: false,
        };
        self.members.insert(id, Member { orders, line, clock, living: None, others: Vec::new() });
        Ok(())
    }

    pub(crate) fn ids(&self) -> Vec<AgentId> {
        self.members.keys().cloned().collect()
    }

    fn member(&mut self, id: &AgentId) -> anyhow::Result<&mut Member> {
        self.members.get_mut(id).with_context(|| format!("{id} has joined"))
    }

    pub(crate) fn line(&mut self, id: &AgentId) -> anyhow::Result<&Line> {
        Ok(&self.member(id)?.line)
    }

    pub(crate) fn clock(&mut self, id: &AgentId) -> anyhow::Result<&WrongClock> {
        self.member(id)?.clock.as_ref().context("its clock can be set")
    }

    /// A process for the agent.
    fn spawn(&mut self, id: &AgentId) -> anyhow::Result<Child> {
        self.lives += 1;
        let (life, folder, calm) = (self.lives, self.folder.clone(), self.calm);
        let member = self.member(id)?;
        let journal = folder.join("journals").join(format!("{id}-{life}"));
        let orders = Orders { journal, seed: life, calm, ..member.orders.clone() };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join(format!("{id}.log")))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.env(agent::VARIABLE, serde_json::to_string(&orders)?).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(clock) = &member.clock {
            clock.lay_over(&mut command);
        }
        Ok(command.stdout(log.try_clone()?).stderr(log).spawn()?)
    }

    /// Starts the agent unless it lives.
    pub(crate) fn start(&mut self, id: &AgentId) -> anyhow::Result<()> {
        let member = self.member(id)?;
        if let Some(child) = &mut member.living {
            let Some(status) = child.try_wait()? else { return Ok(()) };
            self.judge(id, status);
        }
        let child = self.spawn(id)?;
        self.member(id)?.living = Some(child);
        Ok(())
    }

    pub(crate) fn start_all(&mut self) -> anyhow::Result<()> {
        self.ids().iter().try_for_each(|id| self.start(id))
    }

    /// A process may end as it was asked, or because another one took over.
    fn judge(&self, id: &AgentId, status: ExitStatus) {
        if !status.success() && status.code() != Some(i32::from(TAKEN_OVER)) {
            self.ledger.complain(format!("agent {id} ended by itself with {status}: see its log"));
        }
    }

    /// Kills the agent and those that it took over from.
    pub(crate) async fn kill(&mut self, id: &AgentId) -> anyhow::Result<()> {
        let member = self.member(id)?;
        for mut child in member.living.take().into_iter().chain(std::mem::take(&mut member.others)) {
            child.kill().await?;
        }
        Ok(())
    }

    /// Stops the agent as an operator would.
    pub(crate) async fn stop(&mut self, id: &AgentId) -> anyhow::Result<()> {
        let member = self.member(id)?;
        for mut child in member.living.take().into_iter().chain(std::mem::take(&mut member.others)) {
            if child.try_wait()?.is_none() {
                kill_process(process(&child)?, Signal::CONT)?;
                kill_process(process(&child)?, Signal::TERM)?;
            }
            let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
            match ended {
                Ok(status) => self.judge(id, status?),
                Err(_) => self.ledger.complain(format!("agent {id} does not stop within {PATIENCE:?}")),
            }
        }
        Ok(())
    }

    pub(crate) async fn stop_all(&mut self) -> anyhow::Result<()> {
        for id in self.ids() {
            self.stop(&id).await?;
        }
        Ok(())
    }

    /// A second process begins while the first one lives.
    pub(crate) fn double(&mut self, id: &AgentId) -> anyhow::Result<()> {
        let second = self.spawn(id)?;
        let member = self.member(id)?;
        member.others.extend(member.living.replace(second));
        Ok(())
    }

    /// Holds the agent where it stands, for so long.
    pub(crate) async fn pause(&mut self, id: &AgentId, lasts: Duration) -> anyhow::Result<()> {
        self.signal(id, Signal::STOP)?;
        tokio::time::sleep(lasts).await;
        self.signal(id, Signal::CONT)
    }

    fn signal(&mut self, id: &AgentId, signal: Signal) -> anyhow::Result<()> {
        if let Some(child) = &mut self.member(id)?.living
            && child.try_wait()?.is_none()
        {
            kill_process(process(child)?, signal)?;
        }
        Ok(())
    }

    /// From now on every line passes, every clock is right and no call is repeated. Every agent begins a new life: what a
    /// late call took for an earlier one, and nobody heard of, would be held until its deadline.
    pub(crate) async fn heal(&mut self) -> anyhow::Result<()> {
        self.calm = true;
        for member in self.members.values_mut() {
            member.line.heal();
            member.clock.as_ref().map_or(Ok(()), |clock| clock.set(0))?;
        }
        for id in self.ids() {
            self.kill(&id).await?;
        }
        self.start_all()
    }
}
