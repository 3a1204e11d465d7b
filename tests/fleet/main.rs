//! Whole fleets on a real engine: a server and agents as processes, killed with real signals.
//!
//! Without an engine each story is reported as ignored; with `GRAPHIUM_REQUIRE_ENGINE=1` a missing engine is a failure.

mod crashes;
mod deployments;
mod installations;
mod process;
mod refusals;
mod registry;
mod restores;
mod site;
mod streams;

use std::pin::Pin;

use graphium_tests::EnginePresence;
use libtest_mimic::{Arguments, Failed};

/// Stories at a time, unless the command line says otherwise: each is a handful of processes.
const AT_A_TIME: usize = 2;

type Story = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

macro_rules! stories {
    ($($module:ident::$story:ident,)*) => {
        [$((stringify!($story), (|| Box::pin($module::$story())) as Story),)*]
    };
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    rustls::crypto::ring::default_provider().install_default().expect("nobody has chosen a provider before");
    let engine = EnginePresence::look().expect("a runtime to ask the engine with");
    let stories = stories! {
        deployments::every_shape_of_definition_deploys_as_declared_and_leaves_nothing,
        deployments::a_variable_from_a_file_is_in_the_container_and_a_missing_one_is_refused,
        deployments::a_stack_is_stopped_started_and_restarted,
        deployments::a_second_deployment_touches_only_what_changed,
        crashes::an_agent_killed_in_the_middle_of_a_deployment_comes_back_and_it_completes,
        crashes::a_delete_waits_for_the_host_that_is_away_and_leaves_no_orphan,
        crashes::a_server_killed_again_and_again_loses_nothing_and_doubles_nothing,
        refusals::a_wrong_image_name_fails_at_once_and_is_not_tried_again,
        refusals::a_taken_host_port_is_a_conflict_that_names_the_holder,
        refusals::a_taken_name_is_a_conflict_and_its_holder_is_untouched,
        installations::two_installations_with_stacks_of_one_name_see_and_remove_only_their_own,
        restores::a_week_is_lost_with_the_store_and_nothing_of_it_on_the_hosts,
        streams::both_streams_show_each_event_of_a_deployment_once_and_in_order_across_a_cut,
    };
    // The test is there whether or not a registry is: without one it is reported as ignored.
    let of_registry =
        stories! { registry::an_image_that_its_registry_does_not_have_fails_at_once_and_is_not_tried_again, };
    let of_registry = of_registry.map(|(name, story)| {
        engine.trial(name, move || tell(story)).with_ignored_flag(!registry::is_told() || engine.is_ignored())
    });
    let trials = stories.into_iter().map(|(name, story)| engine.trial(name, move || tell(story)));
    libtest_mimic::run(&arguments, trials.chain(of_registry).collect()).exit();
}

/// Runs a story on a runtime of its own.
fn tell(story: Story) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(story()).map_err(|error| format!("{error:?}").into())
}
