//! The suite for stores: what [`TaskStore`] and [`AgentStore`] promise, case by case.
//!
//! A client whose calls end in a store passes the same cases: give the harness the store, and the client as its
//! [agent's side](StoreHarness::with_agent_side). What this module exports stays as it is; the cases grow with what stores
//! promise, so a new version may find a fault in a store that passed an older one.
//!
//! ```
//! use std::sync::Arc;
//! use graphium_core::clock::ManualClock;
//! use graphium_core::conformance::store::StoreHarness;
//! use graphium_core::store::{MemoryStore, StoreSettings};
//! use graphium_core::task_store_conformance;
//!
//! async fn memory() -> StoreHarness {
//!     let clock = Arc::new(ManualClock::default());
//!     let store = MemoryStore::new(clock.clone(), StoreSettings::default());
//!     StoreHarness::new(Arc::new(store), clock)
//! }
//!
//! task_store_conformance!(memory_store, memory);
//! ```
#![expect(clippy::unwrap_used, reason = "a suite is test code: what cannot be unwrapped is the failure")]

mod cancelling;
mod claiming;
mod depending;
mod edges;
mod events;
mod generations;
mod inventory;
mod keys;
mod lanes;
mod listing;
mod numbering;
mod pruning;
mod racing;
mod records;
mod reporting;
mod retrying;
mod scene;
mod sessions;
mod statistics;
mod submitting;
mod sweeping;
mod timing;
mod working;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::ManualClock;
use crate::id::AgentId;
use crate::store::{AgentStore, TaskStore};

/// Makes the agent's side of a store for one agent.
pub type AgentSide = Box<dyn Fn(&AgentId) -> Arc<dyn AgentStore> + Send + Sync>;

/// A fresh store under test. It goes by a clock that stands still until the suite moves it, and by
/// [`StoreSettings::default`](crate::store::StoreSettings).
pub struct StoreHarness {
    /// The store. It arranges, and it is looked at afterwards.
    pub store: Arc<dyn TaskStore>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// The agent's side that is tested: the store itself, or a client that leads to it.
    pub agent_side: AgentSide,
    /// Whatever must live as long as the store: a folder, a server.
    pub guard: Option<Box<dyn Any + Send + Sync>>,
}

impl StoreHarness {
    /// A store that is its own agent's side.
    #[must_use]
    pub fn new(store: Arc<dyn TaskStore>, clock: Arc<ManualClock>) -> Self {
        let side: Arc<dyn AgentStore> = Arc::<dyn TaskStore>::clone(&store);
        Self { store, clock, agent_side: Box::new(move |_| Arc::clone(&side)), guard: None }
    }

    /// The same store, spoken to by agents in another way.
    #[must_use]
    pub fn with_agent_side(mut self, agent_side: AgentSide) -> Self {
        self.agent_side = agent_side;
        self
    }

    /// The same store with something that must live as long.
    #[must_use]
    pub fn guarded_by(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }
}

impl fmt::Debug for StoreHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHarness").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The run of a case. It panics when the store breaks its promise.
pub type CaseRun = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One promise of a store.
#[derive(Debug, Clone, Copy)]
pub struct StoreCase {
    /// The promise, as a sentence.
    pub name: &'static str,
    /// Tries it on a fresh store.
    pub run: fn(StoreHarness) -> CaseRun,
}

/// Every promise of a store, its agent's side included.
#[must_use]
pub fn cases() -> Vec<StoreCase> {
    crate::__store_cases!(__list_store_cases)
}

/// Runs one case by its name.
///
/// # Panics
/// When the store breaks the promise, or there is no such case.
pub async fn run(name: &str, harness: StoreHarness) {
    let case = cases().into_iter().find(|case| case.name == name);
    (case.unwrap_or_else(|| panic!("there is no case {name}")).run)(harness).await;
}

/// Makes one test per promise of a [`TaskStore`](crate::store::TaskStore), or of what leads to one, in a module of this
/// name.
///
/// The second argument is a function, `async fn() -> StoreHarness`, that makes a fresh store. The crate that uses this
/// needs `tokio` with the features `macros` and `rt` among its dev-dependencies.
#[macro_export]
macro_rules! task_store_conformance {
    ($module:ident, $builder:ident) => {
        mod $module {
            $crate::__store_cases!(__test_store_cases $builder);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __list_store_cases {
    (() $($topic:ident: $($name:ident)*;)*) => {
        vec![$($($crate::conformance::store::StoreCase {
            name: stringify!($name),
            run: |harness| Box::pin(async move { $topic::$name(&harness).await }),
        },)*)*]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __test_store_cases {
    (($builder:ident) $($topic:ident: $($name:ident)*;)*) => {$($(
        #[::tokio::test]
        async fn $name() {
            let harness = super::$builder().await;
            $crate::conformance::store::run(stringify!($name), harness).await;
        }
    )*)*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ($emit:ident $($argument:ident)*) => { $crate::$emit! { ($($argument)*)
        claiming:
            two_claims_never_get_the_same_task
            an_agent_gets_no_task_of_another
            tasks_are_claimed_in_order_of_priority_and_age
            the_lowest_priority_waits_at_most_ten_steps
            the_lowest_priority_has_its_turn_while_the_highest_never_ends
            a_claim_for_nothing_answers_at_once
            a_claim_that_does_not_wait_answers_at_once
            a_claim_waits_as_long_as_it_says
            work_that_may_not_begin_yet_ends_no_wait
            a_waiting_claim_gets_a_task_as_soon_as_it_is_submitted
            a_task_wakes_one_of_two_waiting_claims
            the_same_claim_id_gets_the_same_tasks_again
            a_claim_for_one_task_takes_no_other
            a_claim_for_a_task_that_is_not_claimable_takes_nothing
            the_attempt_grows_at_each_claim_and_never_otherwise
            an_answer_says_how_long_lease_and_deadline_are
            a_claim_over_a_limit_is_refused;
        working:
            a_task_that_is_listed_has_begun
            progress_is_kept_and_logged_once
            a_listed_task_that_is_not_held_is_lost
            a_listed_task_of_an_earlier_attempt_is_lost
            a_held_task_that_is_not_listed_stays_held
            a_cancel_reaches_the_agent_that_works
            a_cancel_ends_the_wait_of_the_agent_that_holds_the_task
            a_directive_ends_a_wait_once;
        reporting:
            a_completed_task_keeps_its_outcome
            a_report_made_twice_has_one_effect
            a_failure_reported_again_is_accepted_under_a_later_attempt
            another_report_about_an_ended_attempt_is_stale
            a_report_under_another_attempt_is_stale
            a_report_about_another_agents_task_is_unknown
            a_retryable_failure_waits_for_its_backoff
            each_backoff_has_its_ceiling_and_the_attempts_behind_it_wait
            a_failure_that_is_not_retryable_settles_at_once
            a_task_gets_no_more_retries_than_its_budget
            a_handed_back_task_costs_no_retry_and_keeps_its_place
            an_acknowledged_cancel_says_what_was_undone
            a_cancel_that_nobody_asked_for_is_a_failure
            a_cancel_keeps_the_true_outcome_and_allows_no_further_attempt
            a_report_over_a_bound_is_refused_by_its_place
            reports_at_their_bounds_are_taken_in_one_call
            each_report_has_its_receipt;
        sessions:
            the_first_call_adds_a_host
            each_call_renews_the_session
            a_new_process_on_the_same_machine_takes_over_at_once
            a_session_that_was_taken_over_from_is_over_for_good
            the_newest_sessions_that_ended_are_remembered
            another_machine_is_refused_while_the_session_lives
            another_machine_takes_over_when_the_lease_is_over
            an_expired_session_may_come_back_without_its_tasks
            a_late_report_after_a_takeover_changes_nothing
            a_waiting_claim_ends_when_another_process_takes_over;
        numbering:
            a_call_that_arrives_after_a_later_one_changes_nothing
            a_late_call_does_not_bring_a_session_back
            a_call_that_arrives_twice_is_answered_alike
            a_later_call_ends_the_wait_of_an_earlier_one
            each_session_counts_its_own_calls;
        inventory:
            what_a_host_has_is_shown_and_logged
            differences_are_logged_and_nothing_else
            an_older_inventory_is_dropped
            a_new_session_starts_its_count_again
            an_engine_that_does_not_answer_leaves_the_instances
            an_inventory_that_was_begun_before_a_task_ended_does_not_show_it
            an_inventory_of_a_session_that_is_over_is_refused
            an_inventory_at_its_limit_is_taken
            an_inventory_over_a_limit_is_refused;
        racing:
            two_sessions_race_for_a_thousand_tasks;
        submitting:
            tasks_records_and_events_enter_together
            a_refused_submission_changes_nothing
            a_task_id_is_used_once
            a_submission_has_at_most_a_thousand_tasks
            a_submission_has_at_most_a_thousand_records_and_events
            a_payload_that_does_not_fit_its_type_is_refused
            a_task_over_a_limit_is_refused;
        keys:
            a_known_key_gets_the_task_of_that_time
            a_known_key_with_another_body_is_a_conflict
            a_repeated_submission_has_one_effect
            a_key_lives_as_long_as_the_history_of_its_task
            a_key_stands_once_in_a_submission;
        depending:
            a_dependant_waits_for_all_its_dependencies
            tasks_of_one_submission_may_depend_in_any_order
            a_completed_dependency_counts_as_done
            a_dependency_that_failed_before_cancels_at_once
            a_failure_for_good_cancels_what_depends_on_it
            a_failure_with_a_retry_left_cancels_nothing
            an_unknown_dependency_is_refused
            a_cycle_is_refused
            a_dependency_named_twice_counts_once
            a_diamond_waits_for_both_its_sides_and_falls_and_comes_back_whole
            the_end_of_a_task_frees_or_fells_thousands_at_once;
        lanes:
            a_lane_has_one_task_in_flight
            a_claim_for_many_takes_one_of_a_lane
            priority_does_not_overtake_in_a_lane
            a_higher_generation_stands_behind_in_a_lane
            a_backoff_holds_its_lane
            a_lane_follows_the_dependencies_within_it;
        generations:
            a_newer_generation_cancels_what_has_not_begun
            what_has_begun_goes_on_and_gets_no_further_attempt
            a_lost_task_of_an_older_generation_is_cancelled
            a_handed_back_task_of_an_older_generation_is_cancelled
            an_older_generation_is_refused
            a_generation_may_be_superseded_without_a_task
            a_forgotten_stack_may_begin_anew
            a_task_of_an_earlier_life_of_its_stack_is_not_retried
            what_an_earlier_life_of_a_stack_began_gets_no_further_attempt
            a_generation_over_the_limit_is_refused;
        cancelling:
            a_waiting_task_is_cancelled_at_once
            a_task_in_work_is_asked_to_stop
            a_cancel_cancels_what_depends_on_it
            a_settled_task_cannot_be_cancelled
            an_unknown_task_cannot_be_cancelled
            a_cancel_and_the_end_of_the_work_may_meet_and_the_true_outcome_stays
            a_cancel_that_meets_a_report_in_one_call_is_neither_lost_nor_told_again;
        retrying:
            a_failed_task_is_tried_again_with_a_fresh_budget
            a_retry_brings_back_what_fell_with_the_task
            a_retry_leaves_what_another_failure_cancelled
            what_two_failures_cancelled_comes_back_with_the_second
            what_was_cancelled_on_request_stays_cancelled
            only_a_failed_or_cancelled_task_is_retried
            a_task_whose_dependency_fell_is_not_retried_alone
            a_superseded_task_is_not_retried;
        sweeping:
            a_lost_lease_costs_one_retry_and_no_wait
            a_lost_task_fails_when_no_retry_is_left
            a_deadline_is_kept_by_the_store_after_its_grace
            a_silent_host_is_unknown_and_then_down
            a_host_that_speaks_again_is_ready
            a_second_sweep_changes_nothing;
        timing:
            a_clock_that_jumps_ahead_ends_no_lease_and_no_deadline
            a_clock_that_jumps_ahead_is_caught_up_with
            a_clock_that_jumps_back_freezes_nothing
            a_clock_that_steps_back_changes_no_order;
        pruning:
            what_is_settled_is_kept_for_its_time_and_then_goes
            the_log_outlives_the_tasks_that_it_tells_of
            a_key_goes_with_its_task
            what_is_not_settled_is_never_pruned
            what_another_task_depends_on_is_kept_until_that_one_goes
            what_the_newest_generation_did_is_kept
            a_pruning_is_a_batch_and_says_whether_more_is_due
            the_numbers_of_events_go_on_after_a_pruning
            a_reader_that_was_overtaken_by_a_pruning_is_told
            a_reader_that_is_ahead_of_the_log_is_told;
        records:
            a_record_is_written_by_compare_and_set
            a_record_that_is_not_as_expected_refuses_the_whole_submission
            a_deleted_record_begins_again_at_version_one
            records_are_listed_by_name_and_prefix
            a_record_has_a_name_within_bounds
            text_comes_back_as_it_was_written;
        events:
            every_change_of_a_task_is_in_the_log
            the_log_is_dense_and_in_order
            a_filter_narrows_the_log_and_says_how_far_it_came
            the_head_moves_with_the_log
            a_history_has_every_attempt_and_event;
        edges:
            a_claim_for_ever_or_for_everything_is_refused
            an_attempt_that_was_never_given_out_is_stale_or_lost
            the_last_number_of_a_call_ends_the_count_of_its_session_alone
            the_last_place_of_a_list_and_of_the_log_is_a_place_like_any_other
            the_first_and_the_last_instant_narrow_a_list_like_any_other
            a_version_that_was_never_written_is_a_conflict;
        listing:
            tasks_are_listed_newest_first_page_by_page
            tasks_are_found_by_their_ids
            a_list_of_more_ids_than_a_page_has_is_refused
            each_field_of_a_filter_narrows_the_list
            the_open_tasks_of_an_agent_are_listed_in_claim_order
            a_page_out_of_bounds_is_refused
            a_cursor_of_another_list_is_refused;
        statistics:
            the_counters_follow_every_change
            the_age_of_the_oldest_claimable_task_is_known
            waiting_and_running_are_measured;
    } };
}
