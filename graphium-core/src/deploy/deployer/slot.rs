//! What is in a slot before a deploy: a pure reading of the containers found there.

use std::cmp::Reverse;

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
    /// Whether an attempt was cut off here: the predecessor may stand still because of it.
    pub(super) interrupted: bool,
}

impl SlotContents {
    /// Sorts what was found. `is_proven` tells a container that was once observed good, or that replaced none.
    pub(super) fn of(
        mut found: Vec<RuntimeContainer>,
        spec_hash: &str,
        image_id: &str,
        is_proven: impl Fn(&RuntimeContainer) -> bool,
    ) -> Self {
        // The liveliest first; of two alike the one with the greater generation, then by id, so that every
        // repetition chooses alike.
        found.sort_by_cached_key(|container| {
            let generation = container.labels.get(label::GENERATION).and_then(|g| g.parse::<u64>().ok());
            Reverse((liveliness(container.state), generation, container.id.clone()))
        });
        let mut contents = Self { interrupted: found.iter().any(|container| !is_proven(container)), ..Self::default() };
        let mut others = Vec::new();
        for container in found {
            let is_same = container.labels.get(label::SPEC).is_some_and(|spec| spec == spec_hash)
                && container.image_id == image_id;
            if is_same && !is_gone(&container) && contents.same.is_none() {
                contents.same = Some(container);
            } else if is_same || is_gone(&container) || container.state == InstanceState::Created {
                contents.leftovers.push(container);
            } else {
                others.push(container);
            }
        }
        if !others.is_empty() {
            let last_good = others.iter().position(is_proven).unwrap_or(0);
            contents.predecessor = Some(others.remove(last_good));
            contents.leftovers.extend(others);
        }
        contents
    }

    /// The container of the wanted spec cannot be brought to it in place: it is replaced like one of another.
    pub(super) fn replace_same(&mut self) {
        if let Some(same) = self.same.take() {
            self.leftovers.extend(self.predecessor.replace(same));
        }
    }

    /// Whether a failure starts the predecessor again. One that was stopped on purpose stays so.
    pub(super) fn predecessor_served(&self) -> bool {
        self.predecessor.as_ref().is_some_and(|predecessor| {
            self.interrupted || matches!(predecessor.state, InstanceState::Running | InstanceState::Restarting)
        })
    }
}

const fn is_gone(container: &RuntimeContainer) -> bool {
    matches!(container.state, InstanceState::Removing | InstanceState::Dead)
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

    /// In these tests a container is proven unless its id begins with `unproven`.
    fn contents(found: Vec<RuntimeContainer>, spec_hash: &str, image_id: &str) -> SlotContents {
        SlotContents::of(found, spec_hash, image_id, |container| !container.id.starts_with("unproven"))
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
        assert_eq!(ids(&contents(found, "1:x", "sha256:1")), (Some("b"), None, vec!["a"]));
    }

    #[test]
    fn a_container_that_was_never_started_is_no_predecessor() {
        let found = vec![
            container("old", "1:a", 1, InstanceState::Running),
            container("cut-off", "1:b", 2, InstanceState::Created),
        ];
        assert_eq!(ids(&contents(found, "1:c", "sha256:1")), (None, Some("old"), vec!["cut-off"]));
    }

    #[test]
    fn the_same_spec_with_another_image_is_replaced() {
        let found = vec![container("old", "1:x", 1, InstanceState::Running)];
        assert_eq!(ids(&contents(found, "1:x", "sha256:2")), (None, Some("old"), vec![]));
    }

    #[test]
    fn what_is_being_removed_is_never_adopted() {
        let found = vec![container("going", "1:x", 1, InstanceState::Removing)];
        assert_eq!(ids(&contents(found, "1:x", "sha256:1")), (None, None, vec!["going"]));
    }

    #[test]
    fn the_last_good_one_is_the_predecessor_although_an_unproven_one_runs() {
        let found = vec![
            container("good", "1:a", 1, InstanceState::Exited { exit_code: 0 }),
            container("unproven", "1:b", 2, InstanceState::Running),
        ];
        let contents = contents(found, "1:c", "sha256:1");
        assert_eq!(ids(&contents), (None, Some("good"), vec!["unproven"]));
        assert!(contents.predecessor_served(), "it stands still because an attempt was cut off");
    }

    #[test]
    fn what_was_stopped_on_purpose_did_not_serve() {
        let found = vec![container("stopped", "1:a", 1, InstanceState::Exited { exit_code: 0 })];
        assert!(!contents(found, "1:c", "sha256:1").predecessor_served());
    }
}
