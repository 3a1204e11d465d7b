//! The deployer on a real engine: the suite, and what only an engine can show.
//!
//! Where no engine answers each test is reported as ignored; with `GRAPHIUM_REQUIRE_ENGINE=1` it fails.

#![expect(clippy::unwrap_used, reason = "all of it is test code, also what stands outside a test function")]

mod engine;
mod images;
mod registry;

use std::sync::Arc;

use graphium_core::conformance::deployer::{self, DeployerHarness};
use graphium_core::deploy::docker::DockerRuntime;
use graphium_tests::EnginePresence;
use libtest_mimic::Arguments;
use tokio::runtime::{Builder, Runtime};

/// Of the moments at which a crash is tried every n-th: each costs an engine about a second.
const CUT_EVERY: usize = 4;
/// Tests at a time, unless the command line says otherwise: they wait for the engine more than they compute.
const AT_A_TIME: usize = 6;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let presence = EnginePresence::look().unwrap();
    let may_run = presence.is_there() && !arguments.list;
    if may_run {
        runtime().block_on(images::make());
    }

    let suite = deployer::cases().into_iter().map(|case| {
        presence.trial(format!("deployer::{}", case.name), move || {
            runtime().block_on(async { case.run(harness().await).await });
            Ok(())
        })
    });
    let own = engine::TESTS.into_iter().map(|(name, body)| {
        presence.trial(format!("engine::{name}"), move || {
            runtime().block_on(async { body(engine::Bench::new().await).await });
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, own.chain(suite).collect());
    if may_run {
        runtime().block_on(images::remove());
    }
    conclusion.exit();
}

/// Each test has a runtime of its own, and so an own connection to the engine.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn harness() -> DeployerHarness {
    let engine = DockerRuntime::connect().await.unwrap();
    DeployerHarness { runtime: Arc::new(engine), container: images::container, cut_every: CUT_EVERY }
}
