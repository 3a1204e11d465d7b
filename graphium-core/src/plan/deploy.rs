//! The plan of a deployment: what must be made, replaced, kept and removed.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{self, Differences};
use super::{Plan, order};
use crate::id::{AgentId, ContainerName, Slot};
use crate::placement::Placement;
use crate::stack::{
    ContainerSpec, DependencyCondition, Health, Instance, InstanceState, MountSource, PullPolicy, StackSpec, Step,
    StepAction, spec_hash,
};

/// Plans the way from what was observed of a stack to what is wanted.
///
/// Every image is brought to its host before anything is changed anywhere. Then each container follows those
/// that it depends on, across hosts. What is no longer wanted goes when the rest is good, or first where
/// it holds a host port or a name that is wanted. An instance that is as wanted is kept and never touched.
///
/// `previous` are the definitions that may be in force: the last one that was observed good, and whatever was tried
/// since. They give each step its reason field by field, and they show what a host does not report: limits
/// and restart policies that have changed.
#[must_use]
pub fn deploy(
    wanted: &StackSpec,
    placements: &[Placement],
    observed: &[(AgentId, Vec<Instance>)],
    previous: &[&StackSpec],
) -> Plan {
    let mut planner = Planner::new(wanted, placements, observed, previous);
    planner.prefetch();
    planner.remove_what_is_in_the_way();
    for name in order::by_dependency(wanted) {
        planner.bring_up(&name);
    }
    planner.remove_the_rest();
    planner.announce();
    planner.plan
}

type Place = (AgentId, ContainerName, Slot);

/// What becomes of a wanted instance, and why.
#[derive(Debug, Clone)]
struct Change {
    action: StepAction,
    reason: String,
}

impl Change {
    fn new(action: StepAction, reason: impl Into<String>) -> Self {
        Self { action, reason: reason.into() }
    }
}

struct Planner<'a> {
    specs: BTreeMap<&'a ContainerName, &'a ContainerSpec>,
    changes: BTreeMap<Place, Change>,
    /// What is there, wanted or not.
    there: Vec<(Place, &'a Instance)>,
    removed: BTreeSet<Place>,
    numbers: BTreeMap<ContainerName, Vec<usize>>,
    /// What must be done before anything is made: prefetches, and removals of what is in the way.
    before_changes: Vec<usize>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(
        wanted: &'a StackSpec,
        placements: &[Placement],
        observed: &'a [(AgentId, Vec<Instance>)],
        previous: &[&StackSpec],
    ) -> Self {
        let place = |agent: &AgentId, instance: &Instance| (agent.clone(), instance.container.clone(), instance.slot);
        let there: Vec<(Place, &Instance)> = observed
            .iter()
            .flat_map(|(agent, instances)| instances.iter().map(move |instance| (place(agent, instance), instance)))
            .collect();
        let specs: BTreeMap<_, _> = wanted.containers.iter().map(|spec| (&spec.name, spec)).collect();
        let mut at: BTreeMap<&Place, Vec<&Instance>> = BTreeMap::new();
        for (place, instance) in &there {
            at.entry(place).or_default().push(instance);
        }
        let mut changes = BTreeMap::new();
        for placement in placements {
            let Some(spec) = specs.get(&placement.container) else { continue };
            let place = (placement.agent.clone(), placement.container.clone(), placement.slot);
            let here = at.get(&place).map_or(&[][..], Vec::as_slice);
            changes.insert(place.clone(), change(wanted, spec, here, previous));
        }
        Self {
            specs,
            changes,
            there,
            removed: BTreeSet::new(),
            numbers: BTreeMap::new(),
            before_changes: Vec::new(),
            plan: Plan::default(),
        }
    }

    fn push(&mut self, step: Step) -> usize {
        self.plan.steps.push(step);
        self.plan.steps.len() - 1
    }

    /// One step for each host that gets a new container.
    fn prefetch(&mut self) {
        let mut images: BTreeMap<AgentId, BTreeSet<&str>> = BTreeMap::new();
        for ((agent, name, _), change) in &self.changes {
            let spec = self.specs.get(name).filter(|spec| spec.pull_policy != PullPolicy::Never);
            if let (Some(spec), StepAction::Create | StepAction::Replace) = (spec, change.action) {
                images.entry(agent.clone()).or_default().insert(&spec.image);
            }
        }
        for (agent, images) in images {
            let reason = format!("images {}", images.into_iter().collect::<Vec<_>>().join(", "));
            let number = self.push(step(StepAction::Prefetch, agent, None, reason));
            self.before_changes.push(number);
        }
    }

    /// An instance that holds something another one needs: one that is not wanted, or one that is about to be
    /// replaced anyway. That one is made anew when it is gone, so that two that exchange a port can.
    fn remove_what_is_in_the_way(&mut self) {
        let after = self.before_changes.clone();
        for (place, instance) in self.there.clone() {
            let is_replaced = match self.changes.get(&place).map(|change| change.action) {
                None => false,
                Some(StepAction::Replace) => true,
                Some(_) => continue,
            };
            let Some(why) = self.claim(&place, instance) else { continue };
            if is_replaced && let Some(change) = self.changes.get_mut(&place) {
                change.action = StepAction::Create;
            }
            if let Some(number) = self.remove(&place, why, after.clone()) {
                self.before_changes.push(number);
            }
        }
    }

    /// What another wanted container on that host needs of the instance.
    fn claim(&self, place: &Place, instance: &Instance) -> Option<String> {
        let others = self
            .changes
            .iter()
            .filter(|(other, change)| other.0 == place.0 && *other != place && change.action != StepAction::Keep);
        others.into_iter().find_map(|((_, name, _), _)| {
            let spec = self.specs.get(name)?;
            let held = |port: &crate::stack::PublishedPort| spec.ports.iter().any(|wanted| port.clashes_with(wanted));
            if let Some(port) = instance.ports.iter().find(|port| held(port)) {
                return Some(format!("holds host port {}/{}, which {name} needs", port.host_port, port.protocol));
            }
            let engine_name = spec.container_name.as_ref().filter(|engine_name| **engine_name == instance.name)?;
            Some(format!("has the name {engine_name}, which {name} needs"))
        })
    }

    fn bring_up(&mut self, name: &ContainerName) {
        let Some(spec) = self.specs.get(name) else { return };
        let mut after: Vec<usize> = spec
            .depends_on
            .iter()
            .filter_map(|dependency| self.numbers.get(&dependency.container))
            .flatten()
            .copied()
            .collect();
        after.sort_unstable();
        after.dedup();
        // Whatever comes after a change comes after all that is before every change.
        if after.iter().all(|&number| self.plan.steps[number].action == StepAction::Keep) {
            after.splice(0..0, self.before_changes.iter().copied());
        }
        let of_name: Vec<_> = self
            .changes
            .iter()
            .filter(|((_, container, _), _)| container == name)
            .map(|(place, change)| (place.clone(), change.clone()))
            .collect();
        for ((agent, container, slot), Change { action, reason }) in of_name {
            let after = if action == StepAction::Keep { Vec::new() } else { after.clone() };
            let number = self.push(Step { action, agent, container: Some(container), slot, reason, after, task: None });
            self.numbers.entry(name.clone()).or_default().push(number);
        }
    }

    /// What is not wanted goes when all that is wanted is good: after the steps that no other waits for.
    fn remove_the_rest(&mut self) {
        let awaited: BTreeSet<usize> = self.plan.steps.iter().flat_map(|step| step.after.iter().copied()).collect();
        let mut last: Vec<usize> =
            self.numbers.values().flatten().copied().filter(|number| !awaited.contains(number)).collect();
        last.sort_unstable();
        for (place, instance) in self.there.clone() {
            if self.changes.contains_key(&place) {
                continue;
            }
            let elsewhere =
                self.changes.keys().find(|(_, name, slot)| *name == instance.container && *slot == instance.slot);
            let reason = match (elsewhere, self.specs.get(&instance.container)) {
                (Some((agent, _, _)), _) => format!("placed on {agent}"),
                (None, Some(spec)) => format!("one too many: {} wanted", spec.replicas),
                (None, None) => "no longer in the stack".into(),
            };
            self.remove(&place, reason, last.clone());
        }
    }

    /// One removal for each place: it takes every instance there.
    fn remove(&mut self, place: &Place, reason: String, after: Vec<usize>) -> Option<usize> {
        if !self.removed.insert(place.clone()) {
            return None;
        }
        let (agent, container, slot) = place.clone();
        let removal = step(StepAction::Remove, agent, Some(container), reason);
        Some(self.push(Step { slot, after, ..removal }))
    }

    /// Says which replacements interrupt, since the old instance holds what the new one needs.
    fn announce(&mut self) {
        let replaced = self.plan.steps.iter().filter(|step| step.action == StepAction::Replace);
        let interrupted = replaced.filter_map(|step| {
            let spec = self.specs.get(step.container.as_ref()?)?;
            let held = held_alone(spec)?;
            Some(format!(
                "{}/{} on {} is interrupted: {held} is free only when the old instance has stopped",
                spec.name, step.slot, step.agent
            ))
        });
        self.plan.warnings.extend(interrupted.collect::<Vec<_>>());
    }
}

/// What two instances of a container cannot have at once.
fn held_alone(spec: &ContainerSpec) -> Option<String> {
    if let Some((number, protocol)) = spec.ports.iter().find_map(|port| Some((port.host_port?, port.protocol))) {
        return Some(format!("host port {number}/{protocol}"));
    }
    spec.mounts.iter().find_map(|mount| match &mount.source {
        MountSource::Volume { name, .. } if !mount.read_only => Some(format!("volume {name}")),
        MountSource::Volume { .. } | MountSource::Bind { .. } | MountSource::Tmpfs => None,
    })
}

pub(super) fn step(
    action: StepAction,
    agent: AgentId,
    container: Option<ContainerName>,
    reason: impl Into<String>,
) -> Step {
    Step { action, agent, container, slot: Slot(0), reason: reason.into(), after: Vec::new(), task: None }
}

/// What becomes of a wanted instance, given what stands in its place.
fn change(wanted: &StackSpec, spec: &ContainerSpec, there: &[&Instance], previous: &[&StackSpec]) -> Change {
    let hash = spec_hash(spec, wanted.network.as_ref());
    let one = match there {
        [] => return Change::new(StepAction::Create, "missing"),
        [one] => one,
        [_, _, ..] => return Change::new(StepAction::Create, format!("{} instances in one place", there.len())),
    };
    if one.spec_hash != hash {
        return Change::new(StepAction::Replace, difference(wanted, spec, one, &hash, previous));
    }
    if !(one.is_good() || is_done(wanted, spec, one)) {
        return Change::new(StepAction::Create, condition(one));
    }
    let Differences { in_place, lifts_a_limit, .. } = difference::since(wanted, spec, previous);
    match in_place.as_slice() {
        [] if spec.pull_policy == PullPolicy::Always => {
            Change::new(StepAction::Create, "pullPolicy is always: replaced if its image has changed")
        }
        [] => Change::new(StepAction::Keep, "as wanted"),
        // Engines lower and raise a limit in place, and cannot lift one.
        changes if lifts_a_limit => Change::new(StepAction::Replace, changes.join(", ")),
        changes => Change::new(StepAction::Update, changes.join(", ")),
    }
}

/// Whether it is a one-shot that has done what others wait for. Any other that ended is started again: it may have
/// been stopped, and a stopped server also ends with 0.
fn is_done(wanted: &StackSpec, spec: &ContainerSpec, instance: &Instance) -> bool {
    is_awaited(wanted, spec) && instance.is_finished(spec)
}

/// Whether others wait for the container to have completed.
pub(super) fn is_awaited(wanted: &StackSpec, spec: &ContainerSpec) -> bool {
    wanted.containers.iter().flat_map(|other| &other.depends_on).any(|dependency| {
        dependency.container == spec.name && dependency.condition == Some(DependencyCondition::Completed)
    })
}

fn condition(instance: &Instance) -> String {
    match (instance.state, instance.health) {
        (InstanceState::Running, Health::Unhealthy) => "unhealthy".into(),
        (InstanceState::Running, Health::Starting) => "not healthy yet".into(),
        (state, _) => state.to_string(),
    }
}

fn difference(
    wanted: &StackSpec,
    spec: &ContainerSpec,
    instance: &Instance,
    hash: &str,
    previous: &[&StackSpec],
) -> String {
    if let Some(fields) = difference::from(wanted, spec, &instance.spec_hash, previous) {
        return fields.join(", ");
    }
    if instance.image == spec.image {
        format!("spec {} → {hash}", instance.spec_hash)
    } else {
        format!("image {} → {}", instance.image, spec.image)
    }
}

#[cfg(test)]
mod promises;
#[cfg(test)]
mod tests;
