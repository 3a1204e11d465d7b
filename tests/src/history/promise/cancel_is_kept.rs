//! An acknowledged cancel has an event, and what was asked to stop gets no further attempt unless somebody retries it.

use std::collections::BTreeSet;

use graphium_core::task::TaskStatus;

use crate::history::History;
use crate::history::call::{Answer, Question};

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut wished = BTreeSet::new();
    let mut stopping = BTreeSet::new();
    let mut broken = Vec::new();
    for update in history.updates() {
        let requested = update.reason == Some("requested");
        if requested && (update.wished || update.to == TaskStatus::Cancelled) {
            wished.insert(update.task);
            stopping.insert(update.task);
        }
        if update.from.is_settled() {
            stopping.remove(&update.task);
        } else if update.to == TaskStatus::Pending && stopping.contains(&update.task) {
            broken.push(format!("event {}: {} waits again although it was to stop", update.seq, update.task));
        }
    }
    for call in &history.calls {
        if let (Question::Cancel(task), Some(Answer::Task(..))) = (&call.question, call.answer())
            && !wished.contains(task)
        {
            broken.push(format!("{}: the cancel of {task} was acknowledged and is not in the log", call.who));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    #[test]
    fn a_cancel_that_reached_its_task_is_kept() {
        let mut story = Story::new();
        let (waits, runs) = (story.submitted(), story.submitted());
        story.claimed(runs);
        story.cancelled(waits);
        story.cancelled(runs);
        story.reported(runs, Ending::Cancelled);
        assert_eq!(broken(&story.history), [""; 0]);
    }

    #[test]
    fn a_cancel_without_an_event_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.asked(Question::Cancel(task), Answer::Task(TaskStatus::Cancelled, graphium_core::id::Attempt(0)));
        assert!(broken(&story.history)[0].contains("is not in the log"));
    }

    #[test]
    fn a_task_that_goes_on_after_its_cancel_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.cancelled(task);
        story.moved(task, TaskStatus::Pending);
        assert!(broken(&story.history)[0].contains("waits again"));
    }
}
