//! Sessions: which life of an agent process may speak for its host.

use serde_json::json;

use super::{Engine, SERVER};
use crate::event::{EventType, NewEvent};
use crate::id::{AgentId, SessionId};
use crate::store::{Host, HostState, StoreError, StoreErrorKind};

enum Admission {
    Begins,
    Renews,
    TakesOver,
}

impl Engine {
    /// Lets a session speak for its agent and renews it, or refuses it and changes nothing.
    pub(super) fn admit(&mut self, agent: &AgentId, session: SessionId, machine: &str) -> Result<(), StoreError> {
        match self.admission(agent, session, machine)? {
            Admission::Begins => self.add_host(agent, session, machine),
            Admission::Renews => self.end_expired(agent),
            Admission::TakesOver => self.take_over(agent, session, machine),
        }
        self.renew(agent);
        Ok(())
    }

    fn admission(&self, agent: &AgentId, session: SessionId, machine: &str) -> Result<Admission, StoreError> {
        self.check_session(agent, session)?;
        let Some(host) = self.hosts.get(agent) else { return Ok(Admission::Begins) };
        if host.session == session {
            return Ok(Admission::Renews);
        }
        if host.machine != machine && host.lease_expires_at > self.now {
            let (other, until) = (&host.machine, host.lease_expires_at);
            let message = format!(
                "agent {agent} is served from machine {other} until {until}; stop that agent, wait, or use another id"
            );
            return Err(StoreError::new(StoreErrorKind::AgentInUse, message));
        }
        Ok(Admission::TakesOver)
    }

    /// Refuses a session that was taken over from.
    pub(super) fn check_session(&self, agent: &AgentId, session: SessionId) -> Result<(), StoreError> {
        let current = self.hosts.get(agent).is_some_and(|host| host.session == session);
        if !current && self.ended.contains(agent, session) {
            let message =
                format!("session {session} of agent {agent} was taken over by a newer process; this one must stop");
            return Err(StoreError::new(StoreErrorKind::SessionEnded, message));
        }
        Ok(())
    }

    fn add_host(&mut self, agent: &AgentId, session: SessionId, machine: &str) {
        let host = Host {
            state: HostState::Ready,
            session,
            machine: machine.to_owned(),
            last_seen_at: self.now,
            lease_expires_at: self.now,
            ..Host::silent(agent.clone())
        };
        self.hosts.insert(agent.clone(), host);
        self.changes.hosts.insert(agent.clone());
        self.changes.inventories.insert(agent.clone());
        let data = json!({ "state": HostState::Ready, "session": session, "machine": machine });
        self.log_host(EventType::HostAdded, agent, &format!("agent:{agent}"), data);
    }

    /// A session may come back after its end, but what it held is lost to it.
    fn end_expired(&mut self, agent: &AgentId) {
        if self.hosts.get(agent).is_some_and(|host| host.lease_expires_at <= self.now) {
            self.lose_held(agent, &format!("the lease of agent {agent} ended without a report"));
        }
    }

    fn take_over(&mut self, agent: &AgentId, session: SessionId, machine: &str) {
        let message = format!("agent {agent} began anew as session {session}");
        self.lose_held(agent, &message);
        self.told.remove(agent);
        let Some(host) = self.hosts.get_mut(agent) else { return };
        let old = std::mem::replace(&mut host.session, session);
        machine.clone_into(&mut host.machine);
        host.last_call = 0;
        let previous = std::mem::replace(&mut host.state, HostState::Ready);
        self.changes.hosts.insert(agent.clone());
        self.woken.insert(agent.clone());
        let data = json!({
            "state": HostState::Ready, "previousState": previous, "session": session, "machine": machine,
        });
        self.log_host(EventType::HostUpdated, agent, &format!("agent:{agent}"), data);
        self.end_session(agent, old);
    }

    /// Lets the session of an agent live for one more lease.
    pub(super) fn renew(&mut self, agent: &AgentId) {
        let until = self.now.after(self.settings.lease);
        self.set_host_state(agent, HostState::Ready, &format!("agent:{agent}"));
        let Some(host) = self.hosts.get_mut(agent) else { return };
        host.last_seen_at = self.now;
        host.lease_expires_at = host.lease_expires_at.max(until);
        self.presence.insert(agent.clone());
    }

    /// Changes whether a host answers, and logs the change.
    pub(super) fn set_host_state(&mut self, agent: &AgentId, state: HostState, actor: &str) {
        let Some(host) = self.hosts.get_mut(agent).filter(|host| host.state != state) else { return };
        let previous = std::mem::replace(&mut host.state, state);
        self.changes.hosts.insert(agent.clone());
        self.log_host(EventType::HostUpdated, agent, actor, json!({ "state": state, "previousState": previous }));
    }

    pub(super) fn log_host(&mut self, kind: EventType, agent: &AgentId, actor: &str, data: serde_json::Value) {
        let actor = actor.to_owned();
        self.log(NewEvent { kind, task: None, stack: None, agent: Some(agent.clone()), actor, data });
    }

    /// Tasks lost to sessions that are over, and hosts that went silent.
    pub(super) fn sweep_sessions(&mut self) -> usize {
        let silent: Vec<_> =
            self.hosts.values().filter(|host| host.lease_expires_at <= self.now).map(|host| host.id.clone()).collect();
        let mut touched = 0;
        for agent in silent {
            touched += self.lose_held(&agent, &format!("the lease of agent {agent} ended without a report"));
            let Some(host) = self.hosts.get(&agent) else { continue };
            let down_at = host.lease_expires_at.after(self.settings.down_after);
            let state = if down_at <= self.now { HostState::Down } else { HostState::Unknown };
            self.set_host_state(&agent, state, SERVER);
        }
        touched
    }
}
