//! Whether a spec makes sense, however it came: what no reader of a single field can see.

mod container;
mod dependency;
mod image;
mod network;
mod port;

use std::collections::BTreeMap;

use super::problem::{MAX_PROBLEMS, Problem};
use super::{MAX_CONTAINERS, PlacementStrategy, StackSpec};
use crate::id::AgentId;

/// The most instances that one stack may ask for, over all its containers.
pub const MAX_INSTANCES: u64 = 1000;
/// The most bytes that one container spec may have as JSON: it travels in the payload of a task.
pub const MAX_CONTAINER_BYTES: usize = 192 * 1024;
/// The most bytes that the network of a stack may have as JSON: it travels beside each container spec.
pub const MAX_NETWORK_BYTES: usize = 48 * 1024;
/// What the labels that Graphium sets begin with. A spec may not set one.
pub const RESERVED_LABEL_PREFIX: &str = "graphium.";

/// Everything that is wrong with a spec; nothing when it may be deployed.
///
/// Paths are those of the spec: `containers[1].ports[0].hostPort`.
#[must_use]
pub fn validate(spec: &StackSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    counts(spec, &mut problems);
    names(spec, &mut problems);
    hosts(spec, &mut problems);
    if let Some(network) = &spec.network {
        network::check(network, &mut problems);
    }
    for (index, container) in spec.containers.iter().enumerate() {
        container::check(container, &format!("containers[{index}]"), &mut problems);
    }
    dependency::check(spec, &mut problems);
    port::check(spec, &mut problems);
    problems.0
}

/// Problems so far, up to the limit.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(Problem::new(path, message));
        }
    }

    /// Whether more would not be listed.
    fn is_full(&self) -> bool {
        self.0.len() >= MAX_PROBLEMS
    }

    fn check<E: std::fmt::Display>(&mut self, path: impl Into<String>, result: Result<(), E>) {
        if let Err(error) = result {
            self.add(path, error.to_string());
        }
    }
}

fn counts(spec: &StackSpec, problems: &mut Problems) {
    let count = spec.containers.len();
    if count == 0 {
        problems.add("containers", "the stack has no containers: it needs one at least");
    }
    if count > MAX_CONTAINERS {
        problems.add("containers", format!("{count} containers are too many: at most {MAX_CONTAINERS}"));
    }
    let instances: u64 = spec.containers.iter().map(|container| u64::from(container.replicas)).sum();
    if instances > MAX_INSTANCES {
        problems
            .add("containers", format!("{instances} instances are too many for one stack: at most {MAX_INSTANCES}"));
    }
}

fn names(spec: &StackSpec, problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    for (index, container) in spec.containers.iter().enumerate() {
        if let Some(first) = seen.insert(&container.name, index) {
            let message = format!("containers[{first}] is named {} too: names are unique in a stack", container.name);
            problems.add(format!("containers[{index}].name"), message);
        }
    }
}

fn hosts(spec: &StackSpec, problems: &mut Problems) {
    let allowed = |host: &AgentId| spec.host_constraints.is_empty() || spec.host_constraints.contains(host);
    let outside = |host: &AgentId| format!("host {host} is not among the stack's host constraints");
    if let Some(host) = spec.host.as_ref().filter(|host| !allowed(host)) {
        problems.add("host", outside(host));
    }
    for (index, container) in spec.containers.iter().enumerate() {
        if let Some(host) = container.host.as_ref().filter(|host| !allowed(host)) {
            problems.add(format!("containers[{index}].host"), outside(host));
        }
        if spec.strategy == PlacementStrategy::Manual && spec.host_of(container).is_none() {
            let message = format!(
                "container {} has no host, and placement is manual: give it or the stack `locatedInHost`",
                container.name
            );
            problems.add(format!("containers[{index}]"), message);
        }
    }
}

#[cfg(test)]
mod tests;
