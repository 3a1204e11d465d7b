//! The steps of a deployment as they come to their ends: a bar on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use graphium_core::id::{Attempt, TaskId};
use graphium_core::stack::{Deployment, Step, StepAction};
use graphium_core::task::{TaskStatus, TaskView};
use indicatif::{ProgressBar, ProgressStyle};

use crate::duration::took;
use crate::output::on_a_terminal;

const TICK: Duration = Duration::from_millis(120);

/// Where the lines of a deployment go.
#[derive(Debug)]
pub(super) struct Board {
    bar: Option<ProgressBar>,
    quiet: bool,
    told: BTreeMap<usize, Told>,
}

/// The last that was told of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Retrying(Attempt),
    Settled(Attempt),
}

impl Board {
    /// A board that shows a bar where a person looks, and nothing at all when it is `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        let bar = (!quiet && on_a_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, quiet, told: BTreeMap::new() }
    }

    /// A line of its own.
    pub(super) fn say(&self, text: impl fmt::Display) -> io::Result<()> {
        match &self.bar {
            _ if self.quiet => Ok(()),
            Some(bar) => bar.suspend(|| writeln!(io::stdout(), "{text}")),
            None => writeln!(io::stdout(), "{text}"),
        }
    }

    /// Tells what is new since the last time.
    pub(super) fn update(&mut self, deployment: &Deployment, tasks: &BTreeMap<TaskId, TaskView>) -> io::Result<()> {
        let (mut ended, mut under_way) = (0, Vec::new());
        for (number, step) in deployment.steps.iter().enumerate() {
            if step.action == StepAction::Keep {
                ended += 1;
                continue;
            }
            let Some(task) = step.task.and_then(|task| tasks.get(&task)) else { continue };
            if task.status.is_settled() {
                ended += 1;
            } else if task.status == TaskStatus::Running {
                under_way.push(format!("{} on {}", what(step), step.agent));
            }
            if let Some((told, line)) = news(step, task)
                && self.told.insert(number, told) != Some(told)
            {
                self.say(line)?;
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_length(deployment.steps.len() as u64);
            bar.set_position(ended);
            bar.set_message(under_way.join(", "));
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(super) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What there is to tell of a step, if anything.
fn news(step: &Step, task: &TaskView) -> Option<(Told, String)> {
    let line = |word: &str, note: String| {
        format!("  {word:<10} {:<18} {:<28} {note}", step.agent.to_string(), what(step)).trim_end().to_owned()
    };
    let error = task.error.as_ref().map(ToString::to_string).unwrap_or_default();
    match task.status {
        TaskStatus::Completed => Some((Told::Settled(task.attempt), line("done", result(task)))),
        TaskStatus::Failed => Some((Told::Settled(task.attempt), line("failed", error))),
        TaskStatus::Cancelled => {
            let reason = task.cancel_reason.as_ref().map(ToString::to_string).unwrap_or_default();
            Some((Told::Settled(task.attempt), line("cancelled", reason)))
        }
        TaskStatus::Pending if task.error.is_some() => {
            Some((Told::Retrying(task.attempt), line("retrying", format!("attempt {}: {error}", task.attempt))))
        }
        TaskStatus::Pending | TaskStatus::Assigned | TaskStatus::Running => None,
    }
}

/// What came of it, and how long the last attempt took.
fn result(task: &TaskView) -> String {
    let time = task.completed_at.zip(task.assigned_at.or(task.started_at));
    let mut parts = vec![took(time.map_or_else(
        || task.completed_at.map_or(Duration::ZERO, |at| at.since(task.date_created)),
        |(end, begin)| end.since(begin),
    ))];
    let outcome = task.result.iter();
    parts.extend(outcome.clone().flat_map(|outcome| &outcome.instances).map(|instance| instance.action.clone()));
    parts.extend(outcome.flat_map(|outcome| &outcome.warnings).map(|warning| format!("warning: {warning}")));
    parts.join(", ")
}

/// A step in words: `replace web-1`.
pub(super) fn what(step: &Step) -> String {
    let action = action(step.action);
    match &step.container {
        Some(container) if step.slot.0 > 0 => format!("{action} {container}/{}", step.slot),
        Some(container) => format!("{action} {container}"),
        None => action.to_owned(),
    }
}

/// The action of a step in a word.
pub(super) const fn action(action: StepAction) -> &'static str {
    match action {
        StepAction::Prefetch => "fetch images",
        StepAction::Create => "create",
        StepAction::Replace => "replace",
        StepAction::Update => "update",
        StepAction::Keep => "keep",
        StepAction::Remove => "remove",
        StepAction::Stop => "stop",
        StepAction::Start => "start",
        StepAction::Restart => "restart",
        StepAction::Cleanup => "clean up",
        StepAction::CleanupWithVolumes => "clean up with volumes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphium_core::clock::Timestamp;
    use graphium_core::id::{AgentId, Slot};
    use graphium_core::task::{Failure, FailureCode, NewTask, Task, TaskState, TaskType};

    fn step() -> Step {
        Step {
            action: StepAction::Replace,
            agent: AgentId::new("vm1").unwrap(),
            container: Some("web".parse().unwrap()),
            slot: Slot(1),
            reason: String::new(),
            after: Vec::new(),
            task: None,
        }
    }

    fn task(state: TaskState) -> TaskView {
        let task = Task {
            spec: NewTask::new(AgentId::new("vm1").unwrap(), TaskType::Deploy).into(),
            created_at: Timestamp::EPOCH,
            ready_at: Timestamp::EPOCH,
            attempt: Attempt(2),
            retry_count: 1,
            claim_id: None,
            state,
            unreadable: None,
        };
        task.into()
    }

    #[test]
    fn a_step_that_failed_says_why() {
        let failure = Failure::new(FailureCode::ImageNotFound, "there is no image web:9");
        let (told, line) = news(&step(), &task(TaskState::Failed { at: Timestamp::EPOCH, failure })).unwrap();
        assert_eq!(told, Told::Settled(Attempt(2)));
        assert_eq!(
            line,
            "  failed     vm1                replace web/1                image_not_found: there is no image web:9"
        );
    }

    #[test]
    fn a_step_that_is_tried_again_says_what_went_wrong_before() {
        let failure = Failure::new(FailureCode::EngineUnavailable, "the engine does not answer");
        let pending = TaskState::Pending { not_before: None, last_failure: Some(failure) };
        let (told, line) = news(&step(), &task(pending)).unwrap();
        assert_eq!(told, Told::Retrying(Attempt(2)));
        assert!(line.contains("retrying") && line.contains("attempt 2: engine_unavailable"), "{line}");
    }

    #[test]
    fn a_step_that_waits_is_no_news() {
        let pending = TaskState::Pending { not_before: None, last_failure: None };
        assert_eq!(news(&step(), &task(pending)), None);
    }
}
