//! Tasks as lines of a table.

use graphium_core::clock::{Clock, SystemClock, Timestamp};
use graphium_core::task::TaskView;

use crate::duration;
use crate::output::Row;

/// The longest note in a line; the whole text is in `task show`.
const NOTE_LENGTH: usize = 60;

impl Row for TaskView {
    const PLURAL: &'static str = "tasks";
    const HEADER: &'static [&'static str] =
        &["ID", "TYPE", "STATUS", "HOST", "STACK", "CONTAINER", "ATTEMPT", "AGE", "NOTE"];

    fn cells(&self) -> Vec<String> {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let container = self.container_id.as_ref().map(|name| match self.slot {
            Some(slot) if slot.0 > 0 => format!("{name}/{slot}"),
            Some(_) | None => name.to_string(),
        });
        vec![
            self.id.to_string(),
            self.task_type.to_string(),
            self.status.to_string(),
            self.host_id.to_string(),
            text(self.stack_id.as_ref().map(|stack| stack.as_str())),
            text(container.as_deref()),
            self.attempt.to_string(),
            age_of(self.date_created),
            note(self),
        ]
    }
}

/// How long ago, for people.
pub(crate) fn age_of(at: Timestamp) -> String {
    duration::age(SystemClock.now().since(at))
}

/// What a person wants to know first: what went wrong, or how far it is.
pub(super) fn note(task: &TaskView) -> String {
    let note = if let Some(reason) = &task.cancel_reason {
        reason.to_string()
    } else if let Some(failure) = &task.error {
        failure.to_string()
    } else if task.cancel_requested_at.is_some() {
        "cancelling".to_owned()
    } else if let Some(progress) = &task.progress {
        progress.percent.map_or_else(|| progress.step.clone(), |percent| format!("{} {percent} %", progress.step))
    } else {
        String::new()
    };
    shortened(note.lines().next().unwrap_or_default(), NOTE_LENGTH)
}

fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphium_core::id::AgentId;
    use graphium_core::task::{Failure, FailureCode, NewTask, Task, TaskState, TaskType};

    fn view() -> TaskView {
        let task = Task {
            spec: NewTask::new(AgentId::new("vm1").unwrap(), TaskType::Deploy).into(),
            created_at: SystemClock.now(),
            ready_at: Timestamp::EPOCH,
            attempt: Default::default(),
            retry_count: 0,
            claim_id: None,
            state: TaskState::Pending { not_before: None, last_failure: None },
            unreadable: None,
        };
        task.into()
    }

    #[test]
    fn a_line_has_a_cell_for_each_column() {
        assert_eq!(view().cells().len(), TaskView::HEADER.len());
    }

    #[test]
    fn a_long_failure_is_cut_in_the_table() {
        let mut task = view();
        task.error = Some(Failure::new(FailureCode::ImageNotFound, "x".repeat(200)));
        let note = note(&task);
        assert!(note.starts_with("image_not_found: xxx") && note.ends_with('…'), "{note}");
        assert_eq!(note.chars().count(), NOTE_LENGTH);
    }
}
