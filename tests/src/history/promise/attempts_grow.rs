//! The attempt of a task grows by one at each claim and never otherwise: in the log, in its history, and in what
//! agents heard one after the other.

use std::collections::BTreeMap;

use graphium_core::id::{Attempt, TaskId};
use graphium_core::task::TaskStatus;

use crate::history::History;
use crate::history::call::Answer;

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut broken = in_log(history);
    for (id, kept) in &history.tasks {
        let dense = kept.attempts.iter().map(|record| record.attempt.0).eq(1..=kept.attempt.0);
        if !dense {
            let numbers: Vec<_> = kept.attempts.iter().map(|record| record.attempt.0).collect();
            broken.push(format!("{id} is at attempt {} and has had {numbers:?}", kept.attempt));
        }
    }
    broken.extend(as_heard(history));
    broken
}

fn in_log(history: &History) -> Vec<String> {
    let mut attempts: BTreeMap<TaskId, Attempt> = BTreeMap::new();
    let mut broken = Vec::new();
    for update in history.updates() {
        let before = attempts.insert(update.task, update.attempt).unwrap_or_default();
        let claimed = update.from == TaskStatus::Pending && update.to == TaskStatus::Assigned;
        let expected = if claimed { before.next() } else { before };
        if update.attempt != expected {
            broken.push(format!("event {}: {} went from {before} to {}", update.seq, update.task, update.attempt));
        }
    }
    broken
}

/// Whoever asks after another one has heard of an attempt hears of no lower one.
fn as_heard(history: &History) -> Vec<String> {
    let mut moments = Vec::new();
    for call in &history.calls {
        let heard = match (&call.heard, call.answer()) {
            (Some((at, _)), Some(Answer::Claimed { given, .. })) => given.iter().map(|given| (*at, given)),
            _ => continue,
        };
        for (at, (task, attempt, _)) in heard {
            // An attempt that was heard counts for those who ask later; one's own asking comes first.
            moments.push((call.asked_at, false, *task, *attempt));
            moments.push((at, true, *task, *attempt));
        }
    }
    moments.sort_unstable();
    let mut known: BTreeMap<TaskId, Attempt> = BTreeMap::new();
    let mut broken = Vec::new();
    for (at, heard, task, attempt) in moments {
        let known = known.entry(task).or_default();
        if heard {
            *known = attempt.max(*known);
        } else if attempt < *known {
            broken.push(format!("{task}: who asked at {at} heard of attempt {attempt} after {known} was known"));
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
    fn an_attempt_that_grows_by_two_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.kept(task).attempt = Attempt(1);
        story.claimed(task);
        assert!(broken(&story.history).iter().any(|what| what.contains("went from 0 to 2")));
    }

    #[test]
    fn a_gap_in_the_attempts_of_a_task_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.reported(task, Ending::HandedBack);
        story.claimed(task);
        story.kept(task).attempts.remove(0);
        assert!(broken(&story.history)[0].contains("has had [2]"));
    }

    #[test]
    fn an_attempt_that_falls_between_two_agents_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        let mut late = story.history.calls.last().unwrap().clone();
        story.reported(task, Ending::HandedBack);
        story.claimed(task);
        assert_eq!(broken(&story.history), [""; 0]);

        late.asked_at = story.now() + 1;
        late.heard.as_mut().unwrap().0 = story.now() + 2;
        story.history.calls.push(late);
        assert!(broken(&story.history)[0].contains("attempt 1 after 2 was known"));
    }
}
