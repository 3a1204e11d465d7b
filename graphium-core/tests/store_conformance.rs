//! The built-in stores under the suite that they export.
#![cfg(feature = "conformance")]

use std::sync::Arc;

use graphium_core::clock::{Clock, ManualClock};
use graphium_core::conformance::store::StoreHarness;
use graphium_core::store::{MemoryStore, StoreSettings};
use graphium_core::task_store_conformance;

async fn memory() -> StoreHarness {
    let clock = Arc::new(ManualClock::default());
    let store = MemoryStore::new(Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>, StoreSettings::default());
    StoreHarness::new(Arc::new(store), clock)
}

task_store_conformance!(memory_store, memory);

#[cfg(feature = "sqlite")]
async fn sqlite() -> StoreHarness {
    let folder = tempfile::TempDir::new().expect("a folder");
    let clock = Arc::new(ManualClock::default());
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let path = folder.path().join("graphium.db");
    let store = graphium_core::store::SqliteStore::open(&path, shared, StoreSettings::default()).await;
    let store = store.expect("the store opens");
    StoreHarness::new(Arc::new(store), clock).guarded_by(folder)
}

#[cfg(feature = "sqlite")]
task_store_conformance!(sqlite_store, sqlite);
