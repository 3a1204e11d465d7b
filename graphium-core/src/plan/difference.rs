//! What differs between two definitions of a container, field by field. Values of variables are never shown: they may
//! be secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::stack::{ContainerSpec, NetworkSpec, ResourceLimits, RestartPolicy, StackSpec, spec_hash};

/// How a container differs from what may be in force.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// What can be changed in place.
    pub(super) in_place: Vec<String>,
    /// Whether one of them takes a limit away, which engines cannot do in place.
    pub(super) lifts_a_limit: bool,
}

/// What needs no new container and differs from any definition that may be in force.
pub(super) fn since(wanted: &StackSpec, spec: &ContainerSpec, previous: &[&StackSpec]) -> Differences {
    let hash = spec_hash(spec, wanted.network.as_ref());
    let mut differences = Differences::default();
    for before in previous {
        let Some(old) = before.container(&spec.name) else { continue };
        if spec_hash(old, before.network.as_ref()) != hash {
            continue;
        }
        let (was, is) = (&old.resources.limits, &spec.resources.limits);
        let lifted = |was: Option<u64>, is: Option<u64>| was.is_some() && is.is_none();
        differences.lifts_a_limit |= lifted(was.cpu_millis, is.cpu_millis) || lifted(was.memory_bytes, is.memory_bytes);
        for change in in_place(old, spec) {
            if !differences.in_place.contains(&change) {
                differences.in_place.push(change);
            }
        }
    }
    differences
}

/// What differs from the definition that an instance was made from; none where that is not known.
pub(super) fn from(
    wanted: &StackSpec,
    spec: &ContainerSpec,
    made_from: &str,
    previous: &[&StackSpec],
) -> Option<Vec<String>> {
    previous.iter().find_map(|before| {
        let old = before.container(&spec.name)?;
        (spec_hash(old, before.network.as_ref()) == made_from)
            .then(|| fields(old, spec, before.network.as_ref(), wanted.network.as_ref()))
    })
}

fn in_place(old: &ContainerSpec, new: &ContainerSpec) -> Vec<String> {
    let (was, is): (&ResourceLimits, &ResourceLimits) = (&old.resources.limits, &new.resources.limits);
    let policy = |policy: RestartPolicy| String::from(policy);
    let mut changes = Vec::new();
    if old.restart_policy != new.restart_policy {
        changes.push(arrow("restart policy", policy(old.restart_policy), policy(new.restart_policy)));
    }
    if was.cpu_millis != is.cpu_millis {
        changes.push(arrow("CPU limit", amount(was.cpu_millis, "m"), amount(is.cpu_millis, "m")));
    }
    if was.memory_bytes != is.memory_bytes {
        changes.push(arrow("memory limit", amount(was.memory_bytes, " bytes"), amount(is.memory_bytes, " bytes")));
    }
    changes
}

/// Every field that needs a new container.
fn fields(
    old: &ContainerSpec,
    new: &ContainerSpec,
    old_network: Option<&NetworkSpec>,
    new_network: Option<&NetworkSpec>,
) -> Vec<String> {
    let mut changes = Vec::new();
    if old.image != new.image {
        changes.push(arrow("image", &old.image, &new.image));
    }
    changes.extend(entries("env", &old.env, &new.env));
    changes.extend(entries("labels", &old.labels, &new.labels));
    let network = |network: Option<&NetworkSpec>| network.map_or("none".to_owned(), |network| network.name.clone());
    if network(old_network) != network(new_network) {
        changes.push(arrow("network", network(old_network), network(new_network)));
    }
    let whole = |spec: &ContainerSpec| -> Vec<String> { spec.command.iter().chain(&spec.args).cloned().collect() };
    let sorted = |spec: &ContainerSpec| spec.ports.iter().cloned().collect::<BTreeSet<_>>();
    let others = [
        ("entrypoint", old.entrypoint != new.entrypoint),
        ("command", whole(old) != whole(new)),
        ("ports", sorted(old) != sorted(new)),
        ("mounts", old.mounts != new.mounts),
        ("health check", old.health_check != new.health_check),
        ("working directory", old.working_dir != new.working_dir),
        ("user", old.user != new.user),
        ("container name", old.container_name != new.container_name),
    ];
    changes.extend(others.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| format!("{field} changed")));
    if changes.is_empty() {
        changes.push("definition changed".into());
    }
    changes
}

/// Which names came, went or have another value: `env +NEW -OLD ~CHANGED`.
fn entries(field: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Option<String> {
    let came = new.keys().filter(|name| !old.contains_key(*name)).map(|name| format!("+{name}"));
    let went = old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("-{name}"));
    let differs = |(name, value): &(&String, &String)| old.get(*name).is_some_and(|before| before != *value);
    let changed = new.iter().filter(differs).map(|(name, _)| format!("~{name}"));
    let marks: Vec<_> = came.chain(went).chain(changed).collect();
    (!marks.is_empty()).then(|| format!("{field} {}", marks.join(" ")))
}

fn amount(amount: Option<u64>, unit: &str) -> String {
    amount.map_or_else(|| "none".to_owned(), |amount| format!("{amount}{unit}"))
}

fn arrow(field: &str, old: impl Display, new: impl Display) -> String {
    format!("{field} {old} → {new}")
}
