//! At most one task of a lane is in flight, for the store and on the hosts.

use std::collections::BTreeMap;

use super::one_execution::overlaps;
use super::{changes, in_flight};
use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let mut busy = BTreeMap::new();
    let mut broken = Vec::new();
    for change in changes(story) {
        let Some(lane) = story.tasks.get(&change.task).and_then(|task| task.spec.lane.clone()) else { continue };
        if in_flight(change.to) {
            if let Some(other) = busy.insert(lane.clone(), change.task)
                && other != change.task
            {
                broken.push(format!("{lane:?} has {other} and {} in flight", change.task));
            }
        } else if in_flight(change.from) && busy.get(&lane) == Some(&change.task) {
            busy.remove(&lane);
        }
    }
    broken.extend(overlaps(story, |one, other| one.lane.is_some() && one.lane == other.lane));
    broken
}
