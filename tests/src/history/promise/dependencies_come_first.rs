//! A task is given out only when everything that it depends on is completed.

use std::collections::BTreeSet;

use graphium_core::task::TaskStatus;

use crate::history::History;

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut completed = BTreeSet::new();
    let mut broken = Vec::new();
    for update in history.updates() {
        if update.to == TaskStatus::Completed {
            completed.insert(update.task);
        }
        if update.from != TaskStatus::Pending || update.to != TaskStatus::Assigned {
            continue;
        }
        let depends_on = history.tasks.get(&update.task).map(|kept| kept.depends_on.as_slice()).unwrap_or_default();
        let open = depends_on.iter().filter(|dependency| !completed.contains(*dependency));
        broken.extend(open.map(|open| format!("event {}: {} began before {open} was done", update.seq, update.task)));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    #[test]
    fn a_dependant_that_began_too_early_is_found() {
        let mut story = Story::new();
        let (first, second, hasty) = (story.submitted(), story.submitted(), story.submitted());
        story.kept(second).depends_on.push(first);
        story.kept(hasty).depends_on.push(second);
        story.claimed(first);
        story.reported(first, Ending::Completed);
        story.claimed(second);
        assert_eq!(broken(&story.history), [""; 0]);

        story.claimed(hasty);
        assert!(broken(&story.history)[0].contains("was done"));
    }
}
