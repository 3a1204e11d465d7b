//! Each attempt is executed at most once, by its agent, after it was given out; and no two attempts of a task run
//! at the same time. While two processes serve one agent the older may not know yet: that is what attempts fence.

use std::collections::BTreeSet;

use super::changes;
use crate::record::{ExecutionSpan, Story};

pub(super) fn broken(story: &Story) -> Vec<String> {
    let given = changes(story).filter(|change| change.to == "assigned").map(|change| (change.task, change.attempt));
    let given: BTreeSet<_> = given.collect();
    let mut seen = BTreeSet::new();
    let mut broken = Vec::new();
    for execution in &story.executions {
        let key = (execution.task, execution.attempt);
        if !seen.insert(key) {
            broken.push(format!("executed twice: {execution:?}"));
        }
        if !given.contains(&key) {
            broken.push(format!("executed without having been given out: {execution:?}"));
        }
    }
    broken.extend(overlaps(story, |one, other| one.task == other.task));
    broken
}

/// Pairs of executions that ran at the same time although they share something.
pub(super) fn overlaps(story: &Story, share: impl Fn(&ExecutionSpan, &ExecutionSpan) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for (index, one) in story.executions.iter().enumerate() {
        for other in &story.executions[index + 1..] {
            // In order of their beginning, so only the end of the first matters.
            let at_once = one.ended.is_none_or(|ended| other.began < ended);
            if at_once && share(one, other) && !story.twins.contains(&one.agent) {
                broken.push(format!("at the same time: {one:?} and {other:?}"));
            }
        }
    }
    broken
}
