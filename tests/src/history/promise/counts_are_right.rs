//! The counters say what a count would.

use std::collections::BTreeMap;

use graphium_core::task::TaskStatus;

use crate::history::History;

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut counted: BTreeMap<TaskStatus, u64> = BTreeMap::new();
    for kept in history.tasks.values() {
        *counted.entry(kept.status).or_default() += 1;
    }
    let differs = |status: &TaskStatus| {
        let count = |counts: &BTreeMap<TaskStatus, u64>| counts.get(status).copied().unwrap_or(0);
        let (said, is) = (count(&history.counts), count(&counted));
        (said != is).then(|| format!("{status}: the server counts {said} and shows {is}"))
    };
    TaskStatus::ALL.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::story::Story;

    #[test]
    fn a_counter_that_drifted_is_found() {
        let mut story = Story::new();
        story.submitted();
        story.history.counts.insert(TaskStatus::Pending, 1);
        assert_eq!(broken(&story.history), [""; 0]);

        story.history.counts.insert(TaskStatus::Failed, 1);
        assert_eq!(broken(&story.history), ["failed: the server counts 1 and shows 0"]);
    }
}
