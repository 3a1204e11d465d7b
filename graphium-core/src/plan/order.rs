//! The order in which the containers of a stack come up.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::ContainerName;
use crate::stack::StackSpec;

/// The container names so that each comes after all that it depends on; by name where nothing decides.
///
/// Names that are not in the stack, and those on a cycle, are left out of the ordering and come last, by name: a
/// definition that was validated has none.
pub(super) fn by_dependency(spec: &StackSpec) -> Vec<ContainerName> {
    let mut waiting: BTreeMap<ContainerName, BTreeSet<ContainerName>> = spec
        .containers
        .iter()
        .map(|container| {
            let needs = container.depends_on.iter().map(|dependency| dependency.container.clone()).collect();
            (container.name.clone(), needs)
        })
        .collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<_> = waiting
            .iter()
            .filter(|(_, needs)| needs.iter().all(|need| !waiting.contains_key(need)))
            .map(|(name, _)| name.clone())
            .collect();
        if ready.is_empty() {
            ordered.extend(waiting.into_keys());
            break;
        }
        for name in ready {
            waiting.remove(&name);
            ordered.push(name);
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_container_comes_after_what_it_depends_on() {
        let spec = sample::stack(&[("api", &["db"]), ("db", &[]), ("web", &["api", "db"])]);
        let names: Vec<_> = by_dependency(&spec).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["db", "api", "web"]);
    }

    #[test]
    fn a_cycle_is_ordered_by_name_and_does_not_hang() {
        let spec = sample::stack(&[("b", &["a"]), ("a", &["b"])]);
        let names: Vec<_> = by_dependency(&spec).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
