//! What is in a slot before a deploy: a pure reading of the containers found there.

use super::find::liveliness;
use crate::deploy::{RuntimeContainer, label};
use crate::stack::InstanceState;

/// The containers of a slot by what a deploy does with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SlotContents {
    /// Made from the wanted spec and image.
    pub(super) same: Option<RuntimeContainer>,
    /// Of another spec or image, and started once: serves until its successor takes over, and again if that fails.
    pub(super) predecessor: Option<RuntimeContainer>,
    /// What attempts that were cut off left behind.
    pub(super) leftovers: Vec<RuntimeContainer>,
}

impl SlotContents {
    /// Sorts what was found.
    pub(super) fn of(mut found: Vec<RuntimeContainer>, spec_hash: &str, image_id: &str) -> Self {
        // The liveliest first; of two alike the one with the greater generation, then by id, so that every
        // repetition chooses alike.
        found.sort_by_cached_key(|container| {
            let generation = container.labels.get(label::GENERATION).and_then(|g| g.parse::<u64>().ok());
            std::cmp::Reverse((liveliness(container.state), generation, container.id.clone()))
        });
        let mut contents = Self::default();
        for container in found {
            let gone = matches!(container.state, InstanceState::Removing | InstanceState::Dead);
            let is_same = container.labels.get(label::SPEC).is_some_and(|spec| spec == spec_hash)
                && container.image_id == image_id;
            let started = container.state != InstanceState::Created;
            if is_same && !gone && contents.same.is_none() {
                contents.same = Some(container);
            } else if !is_same && !gone && started && contents.predecessor.is_none() {
                contents.predecessor = Some(container);
            } else {
                contents.leftovers.push(container);
            }
        }
        contents
    }

    /// The container of the wanted spec cannot be brought to it in place: it is replaced like one of another.
    pub(super) fn replace_same(&mut self) {
        if let Some(same) = self.same.take() {
            self.leftovers.extend(self.predecessor.replace(same));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stack::Health;

    fn container(id: &str, spec: &str, generation: u64, state: InstanceState) -> RuntimeContainer {
        let labels = [(label::SPEC, spec.to_owned()), (label::GENERATION, generation.to_string())];
        RuntimeContainer {
            id: id.to_owned(),
            name: id.to_owned(),
            image: "web:1".into(),
            image_id: "sha256:1".into(),
            labels: BTreeMap::from(labels.map(|(name, value)| (name.to_owned(), value))),
            state,
            health: Health::None,
            ports: Vec::new(),
        }
    }

    fn ids(contents: &SlotContents) -> (Option<&str>, Option<&str>, Vec<&str>) {
        (
            contents.same.as_ref().map(|c| c.id.as_str()),
            contents.predecessor.as_ref().map(|c| c.id.as_str()),
            contents.leftovers.iter().map(|c| c.id.as_str()).collect(),
        )
    }

    #[test]
    fn of_two_with_the_wanted_spec_the_running_one_stays_and_the_other_goes() {
        let found = vec![
            container("a", "1:x", 2, InstanceState::Exited { exit_code: 0 }),
            container("b", "1:x", 1, InstanceState::Running),
        ];
        assert_eq!(ids(&SlotContents::of(found, "1:x", "sha256:1")), (Some("b"), None, vec!["a"]));
    }

    #[test]
    fn a_container_that_was_never_started_is_no_predecessor() {
        let found = vec![
            container("old", "1:a", 1, InstanceState::Running),
            container("cut-off", "1:b", 2, InstanceState::Created),
        ];
        assert_eq!(ids(&SlotContents::of(found, "1:c", "sha256:1")), (None, Some("old"), vec!["cut-off"]));
    }

    #[test]
    fn the_same_spec_with_another_image_is_replaced() {
        let found = vec![container("old", "1:x", 1, InstanceState::Running)];
        assert_eq!(ids(&SlotContents::of(found, "1:x", "sha256:2")), (None, Some("old"), vec![]));
    }

    #[test]
    fn what_is_being_removed_is_never_adopted() {
        let found = vec![container("going", "1:x", 1, InstanceState::Removing)];
        assert_eq!(ids(&SlotContents::of(found, "1:x", "sha256:1")), (None, None, vec!["going"]));
    }
}
