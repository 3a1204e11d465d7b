//! The attempt grows by one at each claim, and never otherwise.

use std::collections::BTreeMap;

use graphium_core::id::Attempt;

use super::changes;
use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let mut attempts = BTreeMap::new();
    let mut broken = Vec::new();
    for change in changes(story) {
        let before: Attempt = attempts.insert(change.task, change.attempt).unwrap_or_default();
        let expected = if change.to == "assigned" && change.from == "pending" { before.next() } else { before };
        if change.attempt != expected {
            broken.push(format!("{} went from {before} to {}: {:?}", change.task, change.attempt, change.event));
        }
    }
    broken
}
