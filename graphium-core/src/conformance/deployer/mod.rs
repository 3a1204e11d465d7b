//! What every deployer over every runtime must do, as cases that anybody can run on a [`Runtime`] of their own.
//!
//! [`deployer_conformance!`](crate::deployer_conformance) makes a test of each; [`cases`] lists them for a test
//! program that wants to report them itself, as ignored for instance where an engine is missing.

mod bench;
mod crash;
mod cut;
mod deploy;
mod failure;
mod network;
mod owners;
mod power;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt;

pub use bench::Bench;
pub use cut::{Cut, Moment};

use crate::deploy::Runtime;
use crate::id::ContainerName;
use crate::stack::ContainerSpec;

/// What a container of a case does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// Writes the line `serving` and runs until it is stopped. It has port 80.
    Serves,
    /// The same, in an image of its own.
    ServesOtherwise,
    /// Runs until it is killed: it does not end when it is asked to.
    IgnoresStop,
    /// Writes the line `about to end` and ends with 3.
    Fails,
    /// Ends with 0.
    Completes,
    /// Runs, and its health check says yes after a moment.
    TurnsHealthy,
    /// Runs, and its health check says no.
    TurnsUnhealthy,
    /// Its image is neither on the host nor in any registry.
    IsMissing,
}

/// An engine to prove, and the containers that it can run.
pub struct DeployerHarness {
    /// The engine.
    pub runtime: Arc<dyn Runtime>,
    /// A spec whose container behaves so. The image must be on the host, except of [`Behaviour::IsMissing`].
    pub container: fn(ContainerName, Behaviour) -> ContainerSpec,
    /// Of the moments at which an attempt can be cut off, try each n-th: 1 tries all.
    pub cut_every: usize,
}

impl fmt::Debug for DeployerHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeployerHarness").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct DeployerCase {
    /// Its name: what must be so.
    pub name: &'static str,
    run: CaseBody,
}

type CaseBody = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl fmt::Debug for DeployerCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeployerCase").field(&self.name).finish()
    }
}

impl DeployerCase {
    /// Runs the case and removes whatever it made on the engine.
    ///
    /// # Panics
    /// When something is not as it must be.
    pub async fn run(&self, harness: DeployerHarness) {
        let bench = Bench::new(harness);
        let result = AssertUnwindSafe((self.run)(&bench)).catch_unwind().await;
        bench.sweep().await;
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }
}

/// The case of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn case(name: &str) -> DeployerCase {
    cases().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("there is no deployer case {name}"))
}

macro_rules! list_cases {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        /// Every case.
        #[must_use]
        pub fn cases() -> Vec<DeployerCase> {
            vec![$($(DeployerCase { name: stringify!($name), run: |bench| Box::pin($module::$name(bench)) }),*),*]
        }
    };
}
crate::each_deployer_case!(list_cases);

/// Hands the names of all cases, by module, to a macro. For [`deployer_conformance!`](crate::deployer_conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! each_deployer_case {
    ($($then:ident)::+ $(, $($argument:tt)*)?) => {
        $($then)::+! {
            $($($argument)*)?
            deploy:
                a_deployed_container_is_what_its_spec_says,
                a_repeated_deploy_changes_nothing,
                a_stopped_instance_of_the_same_spec_is_started,
                restart_policy_and_limits_change_in_place,
                a_limit_that_is_lifted_needs_a_new_container,
                another_spec_replaces_the_instance_under_the_same_name,
                an_explicit_name_is_kept_through_a_replacement,
                each_replica_is_an_instance_of_its_own,
                a_job_that_ends_with_0_is_good,
                a_deploy_waits_for_the_health_check,
                a_prefetched_image_is_reported;
            failure:
                a_missing_image_is_image_not_found_and_leaves_nothing,
                a_missing_image_stops_nothing,
                a_container_that_ends_fails_with_its_last_lines_and_is_removed,
                a_container_that_keeps_restarting_is_not_good,
                a_failed_replacement_brings_the_predecessor_back,
                an_unhealthy_container_fails_and_is_removed,
                a_taken_host_port_names_its_holder,
                a_container_of_somebody_else_with_the_wanted_name_is_left_alone,
                what_cannot_be_honoured_is_refused_before_anything_is_touched,
                a_cancelled_deploy_is_undone,
                a_cancelled_replacement_brings_the_predecessor_back,
                a_cancelled_repetition_leaves_what_serves_already;
            power:
                deleting_twice_is_success_and_leaves_nothing,
                stop_start_and_restart_may_be_repeated,
                what_is_missing_is_stopped_already_and_cannot_be_started,
                a_container_that_ignores_the_stop_is_killed_in_time,
                another_image_or_variable_replaces_an_instance_by_its_own_definition,
                the_last_lines_of_an_instance_can_be_read,
                a_new_instance_is_told;
            network:
                deploys_at_once_make_one_network,
                a_subnet_that_overlaps_is_left_out_with_a_warning,
                an_external_network_is_used_and_never_removed,
                what_is_external_and_missing_is_refused,
                a_named_volume_stays_until_it_is_asked_away;
            owners:
                two_owners_with_one_stack_name_never_meet,
                a_clean_up_removes_the_whole_stack_and_may_be_repeated,
                an_id_of_somebody_elses_container_is_not_seen,
                the_beginning_of_an_id_is_no_name;
            crash:
                a_deploy_cut_off_anywhere_is_finished_by_the_next,
                a_replacement_cut_off_anywhere_is_finished_by_the_next,
                a_failing_replacement_cut_off_anywhere_never_loses_the_predecessor,
                a_delete_cut_off_anywhere_is_finished_by_the_next,
                a_clean_up_cut_off_anywhere_is_finished_by_the_next;
        }
    };
}

/// Proves a runtime: one test for each case of the suite.
///
/// The first argument names the module that holds the tests, the second is a function without arguments that makes a
/// [`DeployerHarness`](crate::conformance::deployer::DeployerHarness). Attributes before the module's name replace
/// `#[tokio::test]`. The crate that uses it needs tokio with `macros` and `rt` among its dev-dependencies.
///
/// ```ignore
/// deployer_conformance!(my_engine, harness);
/// deployer_conformance!(#[tokio::test(start_paused = true)] my_simulated_engine, harness);
/// ```
#[macro_export]
macro_rules! deployer_conformance {
    ($(#[$attribute:meta])+ $tests:ident, $harness:expr) => {
        mod $tests {
            use super::*;
            $crate::each_deployer_case!($crate::deployer_test, [$(#[$attribute])+] [$harness]);
        }
    };
    ($tests:ident, $harness:expr) => {
        $crate::deployer_conformance!(#[tokio::test] $tests, $harness);
    };
}

/// The tests of [`deployer_conformance!`](crate::deployer_conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! deployer_test {
    ($attributes:tt $harness:tt $($module:ident: $($name:ident),* $(,)?;)*) => {
        $($($crate::deployer_test!(@one $attributes $harness $name);)*)*
    };
    (@one [$(#[$attribute:meta])+] [$harness:expr] $name:ident) => {
        $(#[$attribute])+
        async fn $name() {
            $crate::conformance::deployer::case(stringify!($name)).run($harness()).await;
        }
    };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deploy::{MemoryImage, MemoryRuntime};
    use crate::stack::{HealthCheck, HealthProbe};

    fn memory() -> DeployerHarness {
        let runtime = MemoryRuntime::new();
        runtime.load("serves", MemoryImage::server().writing(["serving"]));
        runtime.load("serves-otherwise", MemoryImage::server().writing(["serving"]));
        runtime.load("ignores-stop", MemoryImage::server().stopping_in(Duration::from_secs(3600)));
        runtime.load("fails", MemoryImage::exiting(Duration::ZERO, 3).writing(["about to end"]));
        runtime.load("completes", MemoryImage::exiting(Duration::ZERO, 0));
        runtime.load("turns-healthy", MemoryImage::server().healthy_after(Duration::from_secs(2)));
        runtime.load("turns-unhealthy", MemoryImage::server().unhealthy_after(Duration::from_secs(2)));
        runtime.publish("is-missing", MemoryImage::missing());
        DeployerHarness { runtime: Arc::new(runtime), container: memory_container, cut_every: 1 }
    }

    fn memory_container(name: ContainerName, behaviour: Behaviour) -> ContainerSpec {
        let image = match behaviour {
            Behaviour::Serves => "serves",
            Behaviour::ServesOtherwise => "serves-otherwise",
            Behaviour::IgnoresStop => "ignores-stop",
            Behaviour::Fails => "fails",
            Behaviour::Completes => "completes",
            Behaviour::TurnsHealthy => "turns-healthy",
            Behaviour::TurnsUnhealthy => "turns-unhealthy",
            Behaviour::IsMissing => "is-missing",
        };
        let mut spec = ContainerSpec::new(name, image);
        if matches!(behaviour, Behaviour::TurnsHealthy | Behaviour::TurnsUnhealthy) {
            let probe = HealthProbe::Exec { command: vec!["CMD".into(), "check".into()] };
            spec.health_check = Some(HealthCheck { probe, interval: 1, timeout: 1, retries: 2, start_period: 0 });
        }
        spec
    }

    deployer_conformance!(
        #[tokio::test(start_paused = true)]
        memory_runtime,
        memory
    );

    #[test]
    fn a_case_has_a_name_of_its_own() {
        let mut names: Vec<_> = cases().iter().map(|case| case.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
