//! Body of `PUT /agents/{id}/inventory`.

use graphium_core::id::SessionId;
use graphium_core::stack::{EngineInfo, Instance};
use graphium_core::store::InventoryReport;
use serde::{Deserialize, Serialize};

/// What a host observed on its engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryCall {
    /// This life of the agent process.
    pub session: SessionId,
    /// The machine it runs on.
    pub machine: String,
    /// Grows with each report of the session; an older one is dropped.
    pub seq: u64,
    /// The last `attemptsEnded` that the agent had heard when it began to look.
    #[serde(default)]
    pub attempts_ended: u64,
    /// The engine, where it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineInfo>,
    /// Every instance of this installation and host: always the whole list.
    pub instances: Vec<Instance>,
}

impl From<InventoryReport> for InventoryCall {
    fn from(report: InventoryReport) -> Self {
        let InventoryReport { session, machine, seq, attempts_ended, engine, instances } = report;
        Self { session, machine, seq, attempts_ended, engine, instances }
    }
}

impl From<InventoryCall> for InventoryReport {
    fn from(call: InventoryCall) -> Self {
        let InventoryCall { session, machine, seq, attempts_ended, engine, instances } = call;
        Self { session, machine, seq, attempts_ended, engine, instances }
    }
}
