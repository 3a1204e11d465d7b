//! The PostgreSQL store, on a server that the tests start from the binaries of the system.
//!
//! Without them the tests are reported as ignored; with `GRAPHIUM_REQUIRE_POSTGRES=1` that is a failure.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use graphium_core::clock::{Clock, ManualClock};
use graphium_core::conformance::store::{StoreHarness, cases};
use graphium_core::store::{PostgresSettings, PostgresStore, StoreSettings};
use graphium_tests::{Needed, PostgresServer};
use libtest_mimic::{Arguments, Failed, Trial};

/// One server for all tests, each on a database of its own. What survives a crash of it is tested elsewhere, so that it
/// need not wait for the disk.
const SETTINGS: [&str; 2] = ["fsync=off", "synchronous_commit=off"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = PostgresServer::start_with(&SETTINGS).map(Arc::new);
    let postgres = Needed::new(server.as_ref(), "GRAPHIUM_REQUIRE_POSTGRES");
    let trials: Vec<Trial> = cases()
        .into_iter()
        .map(|case| {
            let server = server.as_ref().ok().cloned();
            let test = move || on_a_runtime(async move { (case.run)(fresh(server).await).await });
            postgres.trial(&format!("conformance::{}", case.name), test)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_a_runtime(test: impl Future<Output = ()>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test);
    Ok(())
}

async fn fresh(server: Option<Arc<PostgresServer>>) -> StoreHarness {
    let clock = Arc::new(ManualClock::default());
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let url = server.expect("the server runs").database().expect("a database");
    let postgres = PostgresSettings { url, name: "test".into() };
    let store = PostgresStore::open(postgres, shared, StoreSettings::default()).await.expect("the store opens");
    StoreHarness::new(Arc::new(store), clock)
}
