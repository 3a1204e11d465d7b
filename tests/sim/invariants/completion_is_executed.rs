//! A task is completed only by an execution of that very attempt that said so.

use super::changes;
use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let said_so = |task, attempt| {
        story
            .executions
            .iter()
            .any(|execution| (execution.task, execution.attempt, execution.said) == (task, attempt, Some("completed")))
    };
    let completed = changes(story).filter(|change| change.to == "completed");
    let unfounded = completed.filter(|change| !said_so(change.task, change.attempt));
    unfounded.map(|change| format!("{} attempt {} was not executed", change.task, change.attempt)).collect()
}
