//! Two processes of one agent race on several threads, so that their calls truly meet in the store.
#![cfg(feature = "conformance")]

use std::sync::Arc;

use graphium_core::clock::{Clock, ManualClock};
use graphium_core::conformance::store::{StoreHarness, run};
use graphium_core::store::{MemoryStore, StoreSettings};

const RACE: &str = "two_sessions_race_for_a_thousand_tasks";

fn clock() -> (Arc<ManualClock>, Arc<dyn Clock>) {
    let clock = Arc::new(ManualClock::default());
    (Arc::clone(&clock), clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_sessions_race_in_memory() {
    let (clock, shared) = clock();
    let store = MemoryStore::new(shared, StoreSettings::default());
    run(RACE, StoreHarness::new(Arc::new(store), clock)).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_sessions_race_on_sqlite() {
    let (clock, shared) = clock();
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("graphium.db");
    let store = graphium_core::store::SqliteStore::open(&path, shared, StoreSettings::default()).await;
    run(RACE, StoreHarness::new(Arc::new(store.expect("the store opens")), clock).guarded_by(folder)).await;
}
