//! Nothing changes a settled task but a retry that somebody asked for, or its cascade to a task that fell with it.

use std::collections::{BTreeMap, BTreeSet};

use graphium_core::id::TaskId;
use graphium_core::task::TaskStatus;

use crate::history::History;
use crate::history::call::Question;

/// Whether a person, and neither the server nor an agent, caused something.
pub(super) fn is_of_a_user(actor: &str) -> bool {
    actor != "server" && !actor.starts_with("agent:")
}

pub(super) fn broken(history: &History) -> Vec<String> {
    let retried: BTreeSet<TaskId> = history
        .calls
        .iter()
        .filter_map(|call| if let Question::Retry(task) = &call.question { Some(*task) } else { None })
        .collect();
    let mut reasons = BTreeMap::new();
    let mut broken = Vec::new();
    for update in history.updates() {
        let reason = reasons.insert(update.task, update.reason).flatten();
        if !update.from.is_settled() {
            continue;
        }
        let asked = is_of_a_user(update.actor) && retried.contains(&update.task);
        let cascaded =
            update.actor == "server" && update.from == TaskStatus::Cancelled && reason == Some("dependency_failed");
        if update.to != TaskStatus::Pending || update.from == TaskStatus::Completed || !(asked || cascaded) {
            broken.push(format!(
                "event {}: {} left {} for {} by {}",
                update.seq, update.task, update.from, update.to, update.actor
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use graphium_core::task::FailureCode;

    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    #[test]
    fn a_settled_task_that_changes_by_itself_is_found() {
        for ending in [Ending::Completed, Ending::Failed(FailureCode::InvalidSpec), Ending::Cancelled] {
            let mut story = Story::new();
            let task = story.submitted();
            story.claimed(task);
            story.reported(task, ending);
            assert_eq!(broken(&story.history), [""; 0]);

            story.moved(task, TaskStatus::Pending);
            assert!(broken(&story.history)[0].contains("for pending by server"), "{ending:?}");
        }
    }

    #[test]
    fn a_completed_task_stays_even_when_its_retry_is_asked_for() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.reported(task, Ending::Completed);
        story.retried(task);
        assert!(broken(&story.history)[0].contains("left completed"));
    }
}
