//! What comes next in a rollout, from its record and what its tasks came to.

use std::collections::BTreeMap;

use crate::id::TaskId;
use crate::stack::{Deployment, DeploymentAction, DeploymentStatus, Step, StepAction};
use crate::task::{CancelReason, TaskState};

/// What a task came to, as far as a rollout cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// It waits or runs.
    Open,
    /// It completed.
    Done,
    /// It failed for good, or was cancelled by somebody.
    Failed {
        /// Why.
        reason: String,
    },
    /// A newer generation made it pointless.
    Superseded,
}

impl StepResult {
    /// What this state of a task means.
    #[must_use]
    pub fn of(state: &TaskState) -> Self {
        match state {
            TaskState::Pending { .. } | TaskState::Assigned { .. } | TaskState::Running { .. } => Self::Open,
            TaskState::Completed { .. } => Self::Done,
            TaskState::Failed { failure, .. } => Self::Failed { reason: failure.to_string() },
            TaskState::Cancelled { reason: CancelReason::Superseded { .. }, .. } => Self::Superseded,
            TaskState::Cancelled { reason, .. } => Self::Failed { reason: reason.to_string() },
        }
    }
}

/// What a rollout does next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Next {
    /// The numbers of the steps whose tasks may be submitted now.
    pub submit: Vec<usize>,
    /// How the deployment ended, once it has.
    pub finish: Option<DeploymentStatus>,
}

/// Decides what comes next.
///
/// A step may start when all that it comes after are done. After the first failure nothing new begins, what is
/// under way ends, and then the deployment has failed; only a delete goes on wherever it can, since one
/// broken host must not keep the rest of a stack alive. A task that is not in `results` counts as open.
///
/// Deterministic and idempotent: asked again with the same input it says the same.
#[must_use]
pub fn next(deployment: &Deployment, results: &BTreeMap<TaskId, StepResult>) -> Next {
    if deployment.status.is_settled() {
        return Next::default();
    }
    let states: Vec<State<'_>> = deployment.steps.iter().map(|step| state(step, results)).collect();
    if states.iter().all(|state| *state == State::Done) {
        return Next { submit: Vec::new(), finish: Some(DeploymentStatus::Completed) };
    }
    let has_failed = states.iter().any(|state| matches!(state, State::Failed(_) | State::Superseded));
    let goes_on = !has_failed || deployment.action == DeploymentAction::Delete;
    let may_start = |step: &Step| step.after.iter().all(|&number| states.get(number) == Some(&State::Done));
    let submit: Vec<usize> = deployment
        .steps
        .iter()
        .enumerate()
        .filter(|(number, step)| goes_on && states[*number] == State::Waiting && may_start(step))
        .map(|(number, _)| number)
        .collect();
    let is_quiet = submit.is_empty() && !states.contains(&State::Open);
    let finish = (has_failed && is_quiet).then(|| ending(deployment, &states));
    Next { submit, finish }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State<'a> {
    Waiting,
    Open,
    Done,
    Failed(&'a str),
    Superseded,
}

fn state<'a>(step: &Step, results: &'a BTreeMap<TaskId, StepResult>) -> State<'a> {
    let Some(task) = step.task else {
        return if step.action == StepAction::Keep { State::Done } else { State::Waiting };
    };
    match results.get(&task) {
        None | Some(StepResult::Open) => State::Open,
        Some(StepResult::Done) => State::Done,
        Some(StepResult::Failed { reason }) => State::Failed(reason),
        Some(StepResult::Superseded) => State::Superseded,
    }
}

fn ending(deployment: &Deployment, states: &[State<'_>]) -> DeploymentStatus {
    let failures: Vec<String> = deployment
        .steps
        .iter()
        .zip(states)
        .filter_map(|(step, state)| match state {
            State::Failed(reason) => Some(describe(step, reason)),
            State::Waiting | State::Open | State::Done | State::Superseded => None,
        })
        .collect();
    if failures.is_empty() {
        DeploymentStatus::Superseded
    } else {
        DeploymentStatus::Failed { reason: failures.join("; ") }
    }
}

fn describe(step: &Step, reason: &str) -> String {
    let what = step.container.as_ref().map_or_else(|| "the stack".to_owned(), ToString::to_string);
    format!("{} of {what} on {}: {reason}", step.action.as_str(), step.agent)
}

#[cfg(test)]
mod tests {
    use super::super::{deploy, sample};
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Generation;
    use proptest::prelude::*;

    fn deployment(action: DeploymentAction, steps: Vec<Step>) -> Deployment {
        let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
        Deployment {
            stack: spec.name.clone(),
            generation: Generation(1),
            action,
            spec,
            spec_from: None,
            steps,
            status: DeploymentStatus::Running,
            warnings: Vec::new(),
            created_by: None,
            started_at: Timestamp::EPOCH,
            finished_at: None,
        }
    }

    fn two_waves() -> Deployment {
        let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
        let plan = deploy(&spec, &sample::placed(&spec, &["vm1", "vm2"]), &[]);
        deployment(DeploymentAction::Deploy, plan.steps)
    }

    /// Submits what may start and answers with the numbers.
    fn submit(deployment: &mut Deployment, results: &BTreeMap<TaskId, StepResult>) -> Vec<usize> {
        let numbers = next(deployment, results).submit;
        for &number in &numbers {
            deployment.steps[number].task = Some(TaskId::generate());
        }
        numbers
    }

    fn settle(deployment: &Deployment, number: usize, result: StepResult) -> (TaskId, StepResult) {
        (deployment.steps[number].task.unwrap(), result)
    }

    #[test]
    fn a_step_waits_for_all_that_it_comes_after() {
        let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
        assert_eq!(submit(&mut rollout, &results), [0, 1]);

        results.extend([settle(&rollout, 0, StepResult::Done)]);
        assert_eq!(submit(&mut rollout, &results), [0; 0]);

        results.extend([settle(&rollout, 1, StepResult::Done)]);
        assert_eq!(submit(&mut rollout, &results), [2]);

        results.extend([settle(&rollout, 2, StepResult::Done)]);
        assert_eq!(submit(&mut rollout, &results), [3]);

        results.extend([settle(&rollout, 3, StepResult::Done)]);
        assert_eq!(next(&rollout, &results).finish, Some(DeploymentStatus::Completed));
    }

    #[test]
    fn after_a_failure_nothing_begins_and_what_is_under_way_may_end() {
        let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
        submit(&mut rollout, &results);

        results.extend([settle(&rollout, 0, StepResult::Failed { reason: "image_not_found: db:1".into() })]);
        assert_eq!(next(&rollout, &results), Next::default());

        results.extend([settle(&rollout, 1, StepResult::Done)]);
        let reason = "prefetch of the stack on vm1: image_not_found: db:1".into();
        let failed = Some(DeploymentStatus::Failed { reason });
        assert_eq!(next(&rollout, &results), Next { submit: Vec::new(), finish: failed });
    }

    #[test]
    fn a_delete_goes_on_where_it_can() {
        let hosts = [sample::host("vm1"), sample::host("vm2")].into();
        let places = [("vm1", "db"), ("vm2", "web")]
            .map(|(on, name)| (sample::host(on), crate::id::ContainerName::new(name).unwrap(), crate::id::Slot(0)))
            .into();
        let mut rollout = deployment(DeploymentAction::Delete, super::super::delete(&hosts, &places, false).steps);
        let mut results = BTreeMap::new();
        assert_eq!(submit(&mut rollout, &results), [0, 2]);

        results.extend([
            settle(&rollout, 0, StepResult::Failed { reason: "broken".into() }),
            settle(&rollout, 2, StepResult::Done),
        ]);
        assert_eq!(submit(&mut rollout, &results), [3]);
    }

    #[test]
    fn a_plan_that_only_keeps_is_complete_at_once() {
        let mut step = deploy::step(StepAction::Keep, sample::host("vm1"), None, "as wanted");
        step.container = Some(crate::id::ContainerName::new("db").unwrap());
        let rollout = deployment(DeploymentAction::Deploy, vec![step]);
        assert_eq!(next(&rollout, &BTreeMap::new()).finish, Some(DeploymentStatus::Completed));
    }

    #[test]
    fn a_superseded_task_without_a_failure_ends_it_as_superseded() {
        let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
        submit(&mut rollout, &results);
        results.extend([settle(&rollout, 0, StepResult::Superseded), settle(&rollout, 1, StepResult::Superseded)]);
        assert_eq!(next(&rollout, &results).finish, Some(DeploymentStatus::Superseded));
    }

    proptest! {
        /// Whatever the tasks come to, a rollout ends, and no step starts before those it comes after.
        #[test]
        fn every_rollout_ends_and_none_starts_a_step_early(outcomes in proptest::collection::vec(0..4_u8, 4)) {
            let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
            for _ in 0..=rollout.steps.len() {
                for number in submit(&mut rollout, &results) {
                    for &before in &rollout.steps[number].after {
                        let task = rollout.steps[before].task.unwrap();
                        prop_assert_eq!(results.get(&task), Some(&StepResult::Done));
                    }
                    let result = match outcomes[number] {
                        0 => StepResult::Failed { reason: "broken".into() },
                        1 => StepResult::Superseded,
                        _ => StepResult::Done,
                    };
                    results.extend([settle(&rollout, number, result)]);
                }
            }
            prop_assert!(next(&rollout, &results).finish.is_some());
        }
    }
}
