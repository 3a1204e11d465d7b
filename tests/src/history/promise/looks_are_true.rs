//! What anybody was shown of a task stands in its history: nothing was shown that a crash took back.

use std::collections::{BTreeMap, BTreeSet};

use graphium_core::id::{Attempt, TaskId};
use graphium_core::task::TaskStatus;

use crate::history::History;
use crate::history::call::{Answer, Question};
use crate::history::log::Change;

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut was: BTreeMap<TaskId, BTreeSet<(TaskStatus, Attempt)>> = BTreeMap::new();
    for entry in &history.log {
        match &entry.about {
            Some((task, Change::Created)) => {
                was.entry(*task).or_default().insert((TaskStatus::Pending, Attempt(0)));
            }
            Some((task, Change::Updated { to, attempt, .. })) => {
                was.entry(*task).or_default().insert((*to, *attempt));
            }
            Some((_, Change::Progress(_))) | None => {}
        }
    }
    let shown = history.calls.iter().filter_map(|call| match (&call.question, call.answer()) {
        (
            Question::Look(task) | Question::Cancel(task) | Question::Retry(task),
            Some(Answer::Task(status, attempt)),
        ) => Some((call, *task, (*status, *attempt))),
        _ => None,
    });
    let never = shown.filter(|(_, task, shown)| was.get(task).is_none_or(|was| !was.contains(shown)));
    never.map(|(call, task, shown)| format!("{} was shown {task} as {shown:?}, which it never was", call.who)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::story::Story;

    #[test]
    fn a_state_that_was_shown_and_never_was_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        for (status, attempt) in [(TaskStatus::Pending, 0), (TaskStatus::Assigned, 1)] {
            story.asked(Question::Look(task), Answer::Task(status, Attempt(attempt)));
        }
        assert_eq!(broken(&story.history), [""; 0]);

        story.asked(Question::Look(task), Answer::Task(TaskStatus::Completed, Attempt(1)));
        assert!(broken(&story.history)[0].contains("which it never was"));
    }
}
