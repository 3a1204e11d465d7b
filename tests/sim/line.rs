//! The line between agents and their store: a faulty one, on which is noted what agents hand back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use graphium_core::id::AgentId;
use graphium_core::store::{
    AgentStore, ClaimAnswer, ClaimRequest, InventoryReport, ReportedStatus, StoreError, TaskStore,
};
use graphium_core::testing::{FaultPlan, FaultyStore};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The most calls of a hundred that meet a fault.
const WORST: u32 = 40;

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) store: FaultyStore,
    handed_back: AtomicUsize,
}

impl Line {
    /// A line as bad as the seed says.
    pub(crate) fn new(store: Arc<dyn TaskStore>, seed: u64) -> Self {
        let percent = StdRng::seed_from_u64(seed).random_range(0..WORST);
        let store = FaultyStore::new(store, FaultPlan::seeded(seed, percent));
        Self { store, handed_back: AtomicUsize::new(0) }
    }

    /// How many tasks agents handed back, repetitions included.
    pub(crate) fn handed_back(&self) -> usize {
        self.handed_back.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl AgentStore for Line {
    async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let handed_back = request.reports.iter().filter(|report| report.status == ReportedStatus::HandedBack).count();
        self.handed_back.fetch_add(handed_back, Ordering::Relaxed);
        self.store.claim(agent, request).await
    }

    async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError> {
        self.store.inventory(agent, report).await
    }
}
