//! Nothing changes a settled task but a retry that somebody asked for, or its cascade to a dependant.

use std::collections::BTreeMap;

use graphium_core::event::EventType;

use super::{changes, is_settled};
use crate::chaos::USER;
use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let mut statuses = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    let mut broken = Vec::new();
    for change in changes(story) {
        if let Some(before) = statuses.insert(change.task, change.to)
            && before != change.from
        {
            broken.push(format!("{} was {before} and is said to have been {}", change.task, change.from));
        }
        let reason = reasons.insert(change.task, change.event.data["cancelReason"]["reason"].as_str());
        if is_settled(change.from) {
            let asked = change.event.actor == USER && story.retried.contains(&change.task);
            let cascaded = change.from == "cancelled" && reason.flatten() == Some("dependency_failed");
            if change.to != "pending" || change.from == "completed" || !(asked || cascaded) {
                broken.push(format!("{} left {}: {:?}", change.task, change.from, change.event));
            }
        }
    }
    let mut settled = BTreeMap::new();
    for event in &story.events {
        if event.kind == EventType::TaskUpdated {
            settled.insert(event.task_id, event.data["status"].as_str().is_some_and(is_settled));
        } else if event.kind == EventType::TaskProgress && settled.get(&event.task_id) == Some(&true) {
            broken.push(format!("progress of a settled task: {event:?}"));
        }
    }
    broken
}
