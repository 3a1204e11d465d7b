//! No attempt number of a task is given out twice: only the same claim of the same session hears of it again.

use std::collections::BTreeMap;

use crate::history::History;
use crate::history::call::{Answer, Question};

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut holders = BTreeMap::new();
    let mut broken = Vec::new();
    for call in &history.calls {
        let (Question::Claim { session, claim_id, .. }, Some(Answer::Claimed { given, .. })) =
            (&call.question, call.answer())
        else {
            continue;
        };
        for (task, attempt, _) in given {
            let holder = holders.entry((*task, *attempt)).or_insert((*session, *claim_id));
            if *holder != (*session, *claim_id) {
                broken.push(format!("{task} attempt {attempt} was given to {holder:?} and to {session}, {claim_id}"));
            }
            let kept = history.tasks.get(task).map(|kept| &kept.attempts);
            let record = kept.and_then(|attempts| attempts.iter().find(|record| record.attempt == *attempt));
            if record.is_none_or(|record| record.session != *session) {
                broken.push(format!("{task} attempt {attempt} was given to {session}, and kept is {record:?}"));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::story::Story;

    #[test]
    fn the_same_claim_may_hear_of_its_attempt_again() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        let again = story.history.calls.last().unwrap().clone();
        story.history.calls.push(again);
        assert_eq!(broken(&story.history), [""; 0]);
    }

    #[test]
    fn an_attempt_that_two_sessions_got_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        let mut other = story.history.calls.last().unwrap().clone();
        let Question::Claim { session, .. } = &mut other.question else { unreachable!("a claim") };
        *session = graphium_core::id::SessionId::generate();
        story.history.calls.push(other);
        assert!(broken(&story.history)[0].contains("was given to"));
    }

    #[test]
    fn an_attempt_that_was_given_and_not_kept_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.kept(task).attempts.clear();
        assert!(broken(&story.history)[0].contains("kept is None"));
    }
}
