//! The command line on a real engine: the demo and its cluster, and agents as processes of their own.
//!
//! Where no engine answers each test is reported as ignored; with `GRAPHIUM_REQUIRE_ENGINE=1` it fails.

#![expect(clippy::unwrap_used, reason = "all of it is test code, also what stands outside a test function")]

mod agents;
#[path = "../it/demo.rs"]
mod demo;
#[expect(dead_code, reason = "shared with the other suite, which uses all of it")]
#[path = "../it/graphium.rs"]
mod graphium;
#[path = "../it/talking.rs"]
mod talking;

use graphium_core::deploy::docker::DockerRuntime;
use libtest_mimic::{Arguments, Failed, Trial};

/// A case on the demo's cluster.
type DemoCase = fn(&[&str]);

const DEMO_CASES: [(&str, DemoCase); 7] = [
    ("the_demo_tells_its_story_and_leaves_nothing", demo::story),
    ("two_demos_at_once_do_not_meet", demo::two_at_once),
    ("a_demo_that_is_interrupted_in_the_middle_removes_everything", demo::interrupted),
    ("a_demo_whose_terminal_closes_removes_everything", demo::hung_up),
    ("a_demo_that_nobody_reads_removes_everything", demo::unheard),
    ("a_stack_is_planned_changed_stopped_started_and_removed", demo::managed),
    ("a_wait_ends_with_the_code_of_what_became_of_the_deployment", demo::waited),
];

/// Tests at a time, unless the command line says otherwise: they wait for the engine more than they compute.
const AT_A_TIME: usize = 3;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let required = std::env::var_os("GRAPHIUM_REQUIRE_ENGINE").is_some_and(|value| value == "1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let missing = runtime.block_on(DockerRuntime::connect()).err().map(|error| error.to_string());
    let demos = DEMO_CASES.map(|(name, case)| (name, Box::new(move || case(&[])) as Box<dyn FnOnce() + Send>));
    let agents = agents::CASES.map(|(name, case)| (name, Box::new(case) as Box<dyn FnOnce() + Send>));
    let trials = demos.into_iter().chain(agents).map(|(name, case)| {
        let missing = missing.clone();
        let ignored = missing.is_some() && !required;
        let test = move || match missing {
            Some(why) => Err(Failed::from(why)),
            None => {
                case();
                Ok(())
            }
        };
        Trial::test(name, test).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
