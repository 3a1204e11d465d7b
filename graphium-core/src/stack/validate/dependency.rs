//! Dependencies: they exist, they end, and they can be met.

use std::collections::{BTreeMap, BTreeSet};

use super::Problems;
use crate::id::ContainerName;
use crate::stack::{ContainerSpec, Dependency, DependencyCondition, RestartPolicy, StackSpec};

/// The most names that a message lists.
const LISTED_NAMES: usize = 20;

pub(super) fn check(spec: &StackSpec, problems: &mut Problems) {
    let known: BTreeMap<_, _> = spec.containers.iter().map(|container| (&container.name, container)).collect();
    for (index, container) in spec.containers.iter().enumerate() {
        let mut seen = BTreeSet::new();
        for (place, dependency) in container.depends_on.iter().enumerate() {
            if problems.is_full() {
                return;
            }
            let path = format!("containers[{index}].dependsOn[{place}]");
            if !seen.insert(&dependency.container) {
                problems.add(&path, format!("{} is named twice: keep one", dependency.container));
            }
            match known.get(&dependency.container) {
                None => problems.add(&path, unknown(dependency, &known)),
                Some(target) => {
                    if let Some(problem) = unmet(dependency, target) {
                        problems.add(&path, problem);
                    }
                }
            }
        }
    }
    if let Some(cycle) = cycle(&known) {
        let first = spec.containers.iter().position(|container| container.name == *cycle[0]).unwrap_or(0);
        let names: Vec<_> = cycle.iter().map(|name| name.as_str()).collect();
        let message = format!("the dependencies go in a circle: {}", names.join(" → "));
        problems.add(format!("containers[{first}].dependsOn"), message);
    }
}

fn unknown(dependency: &Dependency, known: &BTreeMap<&ContainerName, &ContainerSpec>) -> String {
    let names: Vec<_> = known.keys().take(LISTED_NAMES).map(|name| name.as_str()).collect();
    let more = if known.len() > LISTED_NAMES { ", …" } else { "" };
    format!("there is no container {} in the stack; there are: {}{more}", dependency.container, names.join(", "))
}

/// Why a condition can never be met.
fn unmet(dependency: &Dependency, target: &ContainerSpec) -> Option<String> {
    let name = &target.name;
    if target.replicas == 0 {
        return Some(format!("{name} has no replicas, so it is never there"));
    }
    let keeps_running = matches!(target.restart_policy, RestartPolicy::Always | RestartPolicy::UnlessStopped);
    match dependency.condition {
        Some(DependencyCondition::Healthy) if target.health_check.is_none() => {
            Some(format!("{name} has no health check, so it is never healthy: add one, or wait for started"))
        }
        Some(DependencyCondition::Completed) if keeps_running => {
            Some(format!("{name} is restarted whenever it ends, so it never completes"))
        }
        Some(DependencyCondition::Healthy | DependencyCondition::Started | DependencyCondition::Completed) | None => {
            None
        }
    }
}

/// Some circle, its first name repeated at the end.
fn cycle<'s>(known: &BTreeMap<&'s ContainerName, &'s ContainerSpec>) -> Option<Vec<&'s ContainerName>> {
    let mut done: BTreeSet<&ContainerName> = BTreeSet::new();
    for start in known.keys() {
        // An explicit stack, since a chain may be as long as the stack has containers.
        let mut trail: Vec<(&ContainerName, usize)> = vec![(start, 0)];
        while let Some((name, next)) = trail.last_mut() {
            let dependencies = known.get(*name).map_or(&[][..], |container| &container.depends_on);
            let Some(dependency) = dependencies.get(*next) else {
                done.insert(name);
                trail.pop();
                continue;
            };
            *next += 1;
            let Some((target, _)) = known.get_key_value(&dependency.container) else { continue };
            if let Some(begin) = trail.iter().position(|(name, _)| name == target) {
                let names = trail[begin..].iter().map(|(name, _)| *name);
                return Some(names.chain([*target]).collect());
            }
            if !done.contains(target) {
                trail.push((target, 0));
            }
        }
    }
    None
}
