//! Histories of real processes under faults, judged by the promises of the queue.
//!
//! `GRAPHIUM_HISTORY_SECONDS` says how long faults go on, `GRAPHIUM_HISTORY_SEED` which, and `GRAPHIUM_KILLS` how often a
//! server is killed. Without `faketime` or a C compiler the runs that need them are reported as ignored; with
//! `GRAPHIUM_REQUIRE_FAKETIME=1` or `GRAPHIUM_REQUIRE_COMPILER=1` a missing one is a failure.

mod agent;
mod chaos;
mod client;
mod clock;
mod figures;
mod fleet;
mod forget;
mod gather;
mod ground;
mod journal;
mod kills;
mod ledger;
mod reader;
mod recorded;
mod script;
mod server;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use graphium_tests::Needed;
use libtest_mimic::{Arguments, Failed, Trial};

/// How long faults go on when nothing is said: with what comes before and after about a minute.
const SECONDS: u64 = 30;
/// How often a server is killed when nothing is said.
const KILLS: u64 = 5;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().expect("nobody has chosen a provider before");
    if let Ok(orders) = std::env::var(agent::VARIABLE) {
        return agent::main(&orders);
    }
    let mut arguments = Arguments::from_args();
    // Each run is a dozen processes.
    arguments.test_threads.get_or_insert(1);
    let faketime = Needed::new(clock::library(), "GRAPHIUM_REQUIRE_FAKETIME");
    let compiler = Needed::new(forget::compiler(), "GRAPHIUM_REQUIRE_COMPILER");
    let seed = number("GRAPHIUM_HISTORY_SEED").unwrap_or_else(rand::random);
    let seconds = Duration::from_secs(number("GRAPHIUM_HISTORY_SECONDS").unwrap_or(SECONDS));
    let kills = usize::try_from(number("GRAPHIUM_KILLS").unwrap_or(KILLS)).expect("a number of kills");
    let trials = vec![
        faketime.trial("under_every_fault_every_promise_is_kept", move || told(seed, chaos::run(seed, seconds))),
        Trial::test("a_server_killed_under_load_keeps_what_it_acknowledged", move || {
            told(seed, kills::plain(seed, kills))
        }),
        compiler.trial("a_server_that_loses_what_it_did_not_sync_keeps_what_it_acknowledged", move || {
            told(seed, kills::forgetting(seed, kills))
        }),
        compiler.trial("a_server_that_syncs_in_vain_is_found_out", move || {
            told(seed, async move { kills::in_vain(seed).await.map(|()| "acknowledged work was seen to be lost") })
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

/// Runs a story on a runtime of its own, and says what came of it.
#[expect(clippy::print_stdout, reason = "the seed by which a run is repeated, and what it did")]
fn told<T: std::fmt::Display>(seed: u64, story: impl Future<Output = anyhow::Result<T>>) -> Result<(), Failed> {
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let figures = runtime.block_on(story).map_err(|error| Failed::from(format!("{error:#}")))?;
    println!("{figures}");
    Ok(())
}
