//! An acknowledged retry opened its task again: the log has at least as many reopenings as there were answers, and no more
//! than there were questions.

use std::collections::BTreeMap;

use graphium_core::id::TaskId;

use crate::history::History;
use crate::history::call::{Answer, Question};
use crate::history::promise::settled_stays::is_of_a_user;

#[derive(Default)]
struct Tally {
    asked: usize,
    answered: usize,
    refused: usize,
    reopened: usize,
}

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut tallies: BTreeMap<TaskId, Tally> = BTreeMap::new();
    for call in &history.calls {
        let Question::Retry(task) = &call.question else { continue };
        let tally = tallies.entry(*task).or_default();
        tally.asked += 1;
        match call.answer() {
            Some(Answer::Task(..)) => tally.answered += 1,
            Some(Answer::Refused(_)) => tally.refused += 1,
            _ => {}
        }
    }
    for update in history.updates().filter(|update| update.from.is_settled() && is_of_a_user(update.actor)) {
        tallies.entry(update.task).or_default().reopened += 1;
    }
    let wrong = |tally: &Tally| {
        tally.reopened < tally.answered || tally.reopened > tally.asked - tally.refused.min(tally.asked)
    };
    let told = tallies.into_iter().filter(|(_, tally)| wrong(tally));
    told.map(|(task, Tally { asked, answered, refused, reopened })| {
        format!("{task}: of {asked} retries {answered} were acknowledged and {refused} refused; {reopened} are kept")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use graphium_core::id::Attempt;
    use graphium_core::task::{FailureCode, TaskStatus};

    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    fn failed() -> (Story, TaskId) {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.reported(task, Ending::Failed(FailureCode::InvalidSpec));
        (story, task)
    }

    #[test]
    fn a_retry_that_was_acknowledged_and_did_nothing_is_found() {
        let (mut story, task) = failed();
        story.retried(task);
        assert_eq!(broken(&story.history), [""; 0]);

        story.asked(Question::Retry(task), Answer::Task(TaskStatus::Pending, Attempt(1)));
        assert!(broken(&story.history)[0].contains("2 were acknowledged and 0 refused; 1 are kept"));
    }

    #[test]
    fn a_retry_that_nobody_asked_for_is_found() {
        let (mut story, task) = failed();
        story.retried(task);
        story.history.calls.pop();
        assert!(broken(&story.history)[0].contains("of 0 retries"));
    }
}
