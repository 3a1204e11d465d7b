//! An acknowledged submission is there, whole; one that was not acknowledged is there whole or not at all; and one
//! idempotency key means one task for ever.

use std::collections::BTreeMap;

use crate::history::History;
use crate::history::call::{Answer, Call, Question, Wanted};

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut keys = BTreeMap::new();
    let mut broken = Vec::new();
    for call in &history.calls {
        let Question::Submit { tasks: wanted, .. } = &call.question else { continue };
        match call.answer() {
            Some(Answer::Submitted(ids)) => {
                if ids.len() != wanted.len() {
                    broken.push(format!("{}: {} tasks were answered with {}", call.who, wanted.len(), ids.len()));
                }
                for (wanted, id) in wanted.iter().zip(ids) {
                    broken.extend(missing(history, call, wanted, *id));
                    let Some(key) = &wanted.key else { continue };
                    let meant = *keys.entry(key.clone()).or_insert(*id);
                    if meant != *id {
                        broken.push(format!("{}: key {key} meant {meant} and now {id}", call.who));
                    }
                }
            }
            // A repeated one that is refused because its tasks are there is there.
            _ => broken.extend(in_part(history, call, wanted)),
        }
    }
    broken
}

fn missing(history: &History, call: &Call, wanted: &Wanted, id: graphium_core::id::TaskId) -> Option<String> {
    let Some(kept) = history.tasks.get(&id) else {
        return Some(format!("{}: {id} was acknowledged and is gone", call.who));
    };
    // A known key answers with the task of that time, which may wait for the tasks of that time.
    let same = wanted.key.is_some() || (wanted.id == id && wanted.depends_on == kept.depends_on);
    (!same).then(|| format!("{}: {wanted:?} is kept as {id}, {kept:?}", call.who))
}

fn in_part(history: &History, call: &Call, wanted: &[Wanted]) -> Option<String> {
    // One with a key may mean a task of another id.
    let plain: Vec<_> = wanted.iter().filter(|wanted| wanted.key.is_none()).collect();
    let there = plain.iter().filter(|wanted| history.tasks.contains_key(&wanted.id)).count();
    let in_part = there > 0 && there < plain.len();
    in_part.then(|| format!("{}: {there} tasks of {} that were submitted together are there", call.who, plain.len()))
}

#[cfg(test)]
mod tests {
    use graphium_core::id::TaskId;

    use super::*;
    use crate::history::call::Repeat;
    use crate::history::story::Story;

    fn wanted(key: Option<&str>) -> Wanted {
        Wanted { id: TaskId::generate(), key: key.map(str::to_owned), depends_on: Vec::new() }
    }

    fn submit(tasks: &[Wanted]) -> Question {
        Question::Submit { tasks: tasks.to_vec(), repeated: Repeat::No }
    }

    #[test]
    fn a_submit_that_was_acknowledged_and_is_gone_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        assert_eq!(broken(&story.history), [""; 0]);

        story.history.tasks.remove(&task);
        assert!(broken(&story.history)[0].contains("is gone"));
    }

    #[test]
    fn a_task_that_is_kept_without_its_dependency_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.kept(task).depends_on.push(TaskId::generate());
        assert!(broken(&story.history)[0].contains("is kept as"));
    }

    #[test]
    fn a_submission_of_which_a_part_is_there_is_found() {
        let mut story = Story::new();
        let there = story.submitted();
        let tasks = [Wanted { id: there, ..wanted(None) }, wanted(None)];
        story.asked(submit(&tasks), Answer::Unknown("cut".into()));
        assert!(broken(&story.history)[0].contains("1 tasks of 2"));
    }

    #[test]
    fn a_key_that_meant_two_tasks_is_found() {
        let mut story = Story::new();
        let (one, other) = (story.submitted(), story.submitted());
        for id in [one, other] {
            story.asked(submit(&[wanted(Some("k"))]), Answer::Submitted(vec![id]));
        }
        assert!(broken(&story.history)[0].contains("key k meant"));
    }
}
