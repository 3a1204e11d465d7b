//! What hosts observe: the newest report of the current session counts, and its differences are events.

use std::collections::BTreeMap;

use serde_json::json;

use super::Engine;
use super::claim::over_bound;
use crate::event::{EventType, NewEvent};
use crate::id::AgentId;
use crate::stack::{EngineInfo, Instance};
use crate::store::{InventoryReport, StoreError};

impl Engine {
    /// Takes an inventory, or drops it when a newer one is known.
    pub(in crate::store) fn inventory(&mut self, agent: &AgentId, report: &InventoryReport) -> Result<(), StoreError> {
        report.validate().map_err(|over| over_bound(agent, &over))?;
        self.admit(agent, report.session, &report.machine)?;
        let now = self.now;
        let Some(host) = self.hosts.get_mut(agent) else { return Ok(()) };
        if host.inventory_session == Some(report.session) && report.seq <= host.inventory_seq {
            return Ok(());
        }
        let engine = std::mem::replace(&mut host.engine, report.engine.clone());
        let before = report.engine.is_some().then(|| {
            host.inventory_session = Some(report.session);
            host.inventory_seq = report.seq;
            host.observed_at = Some(now);
            host.attempts_seen = report.attempts_ended;
            std::mem::replace(&mut host.instances, report.instances.clone())
        });
        self.changes.hosts.insert(agent.clone());
        self.changes.inventories.insert(agent.clone());
        if engine != report.engine {
            self.log_engine(agent, report.engine.as_ref());
        }
        // Without an engine nothing was observed, which is not the same as nothing being there.
        if let Some(before) = before {
            self.log_differences(agent, &before, &report.instances);
        }
        Ok(())
    }

    fn log_engine(&mut self, agent: &AgentId, engine: Option<&EngineInfo>) {
        let state = self.hosts.get(agent).map(|host| host.state);
        let data = json!({ "state": state, "engine": engine });
        self.log_host(EventType::HostUpdated, agent, &format!("agent:{agent}"), data);
    }

    fn log_differences(&mut self, agent: &AgentId, before: &[Instance], after: &[Instance]) {
        let by_id = |list: &[Instance]| -> BTreeMap<String, Instance> {
            list.iter().map(|instance| (instance.runtime_id.clone(), instance.clone())).collect()
        };
        let (mut before, after) = (by_id(before), by_id(after));
        for (id, instance) in after {
            let kind = match before.remove(&id) {
                None => EventType::ContainerAdded,
                Some(earlier) if earlier != instance => EventType::ContainerUpdated,
                Some(_) => continue,
            };
            self.log_instance(kind, agent, &instance);
        }
        for instance in before.into_values() {
            self.log_instance(EventType::ContainerRemoved, agent, &instance);
        }
    }

    fn log_instance(&mut self, kind: EventType, agent: &AgentId, instance: &Instance) {
        self.log(NewEvent {
            kind,
            task: None,
            stack: instance.stack.clone(),
            agent: Some(agent.clone()),
            actor: format!("agent:{agent}"),
            data: json!(instance),
        });
    }
}
