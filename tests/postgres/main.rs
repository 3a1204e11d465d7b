//! The PostgreSQL store, on a server that the tests start from the binaries of the system.
//!
//! Without them the tests are reported as ignored; with `GRAPHIUM_REQUIRE_POSTGRES=1` that is a failure.

mod servers;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use graphium_core::clock::{Clock, ManualClock};
use graphium_core::conformance::store::{StoreHarness, cases};
use graphium_core::store::{PostgresSettings, PostgresStore, StoreSettings};
use graphium_tests::{Needed, PostgresServer};
use libtest_mimic::{Arguments, Failed};

/// One server for all tests, each on a database of its own. What survives a crash of it is tested elsewhere, so that it
/// need not wait for the disk.
const SETTINGS: [&str; 2] = ["fsync=off", "synchronous_commit=off"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = PostgresServer::start_with(&SETTINGS).map(Arc::new);
    let postgres = Needed::new(server.as_ref(), "GRAPHIUM_REQUIRE_POSTGRES");
    let mut trials = Vec::new();
    for (name, place) in [("conformance", Place::Deciding), ("conformance_on_another_server", Place::Other)] {
        for case in cases() {
            let server = server.as_ref().ok().cloned();
            let test = move || on_a_runtime(async move { (case.run)(fresh(server, place).await).await });
            trials.push(postgres.trial(&format!("{name}::{}", case.name), test));
        }
    }
    macro_rules! stories {
        ($($name:ident)*) => {$({
            let server = server.as_ref().ok().cloned();
            let test = move || on_a_runtime(servers::$name(server.expect("the server runs")));
            trials.push(postgres.trial(concat!("servers::", stringify!($name)), test));
        })*};
    }
    stories! {
        a_server_that_closes_leaves_its_place_to_another_at_once
        claims_that_wait_on_a_server_are_served_when_the_one_that_decides_is_cut_off
        a_server_that_was_cut_off_keeps_nothing_more_and_passes_on_when_it_is_back
        what_is_passed_on_is_done_once_whatever_happens_to_the_one_that_decides
        a_letter_under_an_odd_key_is_taken_once_and_no_other_with_it
        a_letter_whose_transaction_ends_late_is_delivered_within_five_seconds_of_its_end
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_a_runtime(test: impl Future<Output = ()>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test);
    Ok(())
}

/// Which server is asked.
#[derive(Debug, Clone, Copy)]
enum Place {
    Deciding,
    Other,
}

async fn fresh(server: Option<Arc<PostgresServer>>, place: Place) -> StoreHarness {
    let clock = Arc::new(ManualClock::default());
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let url = server.expect("the server runs").database().expect("a database");
    let open = |name: &str| {
        let postgres = PostgresSettings { url: url.clone(), name: name.to_owned() };
        let clock = Arc::clone(&shared);
        async { PostgresStore::open(postgres, clock, StoreSettings::default()).await.expect("the store opens") }
    };
    let deciding = open("the one that decides").await;
    match place {
        Place::Deciding => StoreHarness::new(Arc::new(deciding), clock),
        Place::Other => StoreHarness::new(Arc::new(open("another one").await), clock).guarded_by(deciding),
    }
}
