//! Within a lane no task is given out after one of a higher generation was.

use std::collections::BTreeMap;

use super::changes;
use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let mut newest = BTreeMap::new();
    let mut broken = Vec::new();
    for change in changes(story).filter(|change| change.to == "assigned") {
        let Some(task) = story.tasks.get(&change.task) else { continue };
        let (Some(lane), Some(placed)) = (&task.spec.lane, &task.spec.placed) else { continue };
        let newest = newest.entry(lane.clone()).or_insert(placed.generation);
        if placed.generation < *newest {
            broken.push(format!("{} of generation {} was given out after {newest}", task.id(), placed.generation));
        }
        *newest = placed.generation.max(*newest);
    }
    broken
}
