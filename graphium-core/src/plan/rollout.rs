//! What comes next in a rollout, from its record and what its tasks came to.

use std::collections::BTreeMap;

use crate::id::{ContainerName, TaskId};
use crate::stack::{Deployment, DeploymentAction, DeploymentStatus, Step, StepAction};
use crate::task::{CancelReason, TaskState};

/// The most steps that are submitted at once; the next look submits the rest.
pub const MAX_STEPS_AT_ONCE: usize = 500;
/// The most failures that the reason of a failed deployment lists.
const LISTED_FAILURES: usize = 5;

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
/// under way ends, and then the deployment has failed. Only a stop and a delete go on wherever they can, since one
/// broken host must not keep the rest of a stack alive. A task that is not in `results` counts as open.
///
/// Deterministic and idempotent: asked again with the same input it says the same. At most
/// [`MAX_STEPS_AT_ONCE`] steps are submitted; ask again when their tasks are known. A plan that waits for itself
/// ends as failed instead of never.
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
    let goes_on = !has_failed || matches!(deployment.action, DeploymentAction::Stop | DeploymentAction::Delete);
    let may_start = |step: &Step| step.after.iter().all(|&number| states.get(number) == Some(&State::Done));
    let submit: Vec<usize> = deployment
        .steps
        .iter()
        .enumerate()
        .filter(|(number, step)| goes_on && states[*number] == State::Waiting && may_start(step))
        .map(|(number, _)| number)
        .take(MAX_STEPS_AT_ONCE)
        .collect();
    let is_quiet = submit.is_empty() && !states.contains(&State::Open);
    let finish = is_quiet.then(|| ending(deployment, &states));
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
    if !failures.is_empty() {
        let more = failures.len().saturating_sub(LISTED_FAILURES);
        let listed = failures[..failures.len() - more].join("; ");
        let reason = if more > 0 { format!("{listed}; and {more} more") } else { listed };
        return DeploymentStatus::Failed { reason };
    }
    if states.contains(&State::Superseded) {
        return DeploymentStatus::Superseded;
    }
    let stuck = states.iter().position(|state| *state == State::Waiting).unwrap_or_default();
    let reason = format!("the plan cannot go on: step {stuck} waits for steps that never come; deploy again");
    DeploymentStatus::Failed { reason }
}

fn describe(step: &Step, reason: &str) -> String {
    let instance = |name: &ContainerName| format!("{name}/{}", step.slot);
    let what = step.container.as_ref().map_or_else(|| "the stack".to_owned(), instance);
    format!("{} of {what} on {}: {reason}", step.action.as_str(), step.agent)
}

#[cfg(test)]
mod tests;
