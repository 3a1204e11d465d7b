//! The plan of a deployment: what must be made, replaced, kept and removed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, order};
use crate::id::{AgentId, ContainerName, Slot};
use crate::placement::Placement;
use crate::stack::{
    ContainerSpec, Health, Instance, InstanceState, PortSpec, PullPolicy, StackSpec, Step, StepAction, spec_hash,
};

/// Plans the way from what was observed of a stack to what is wanted.
///
/// Every image is brought to its host before anything is changed anywhere. Then each container follows those
/// that it depends on, across hosts. What is no longer wanted goes when the rest is good, or first where
/// it holds a host port that is wanted. An instance that is as wanted is kept and never touched.
#[must_use]
pub fn deploy(wanted: &StackSpec, placements: &[Placement], observed: &[(AgentId, Vec<Instance>)]) -> Plan {
    let mut planner = Planner::new(wanted, placements, observed);
    planner.prefetch();
    planner.remove_what_is_in_the_way();
    for name in order::by_dependency(wanted) {
        planner.bring_up(&name);
    }
    planner.remove_the_rest();
    planner.plan
}

type Place = (AgentId, ContainerName, Slot);

struct Planner<'a> {
    wanted: &'a StackSpec,
    /// What becomes of each wanted instance, and why.
    changes: BTreeMap<Place, (StepAction, String)>,
    /// What is there and not wanted there.
    unwanted: Vec<(AgentId, &'a Instance)>,
    removed: BTreeSet<Place>,
    numbers: BTreeMap<ContainerName, Vec<usize>>,
    before_changes: Vec<usize>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(wanted: &'a StackSpec, placements: &[Placement], observed: &'a [(AgentId, Vec<Instance>)]) -> Self {
        let mut changes = BTreeMap::new();
        for placement in placements {
            let Some(spec) = container(wanted, &placement.container) else { continue };
            let there = instances_at(observed, placement);
            let place = (placement.agent.clone(), placement.container.clone(), placement.slot);
            changes.insert(place, change(wanted, spec, &there));
        }
        let unwanted = observed
            .iter()
            .flat_map(|(agent, instances)| instances.iter().map(move |instance| (agent.clone(), instance)))
            .filter(|(agent, instance)| {
                !changes.contains_key(&(agent.clone(), instance.container.clone(), instance.slot))
            })
            .collect();
        Self {
            wanted,
            changes,
            unwanted,
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
        for ((agent, name, _), (action, _)) in &self.changes {
            let spec = container(self.wanted, name).filter(|spec| spec.pull_policy != PullPolicy::Never);
            if let (Some(spec), StepAction::Create | StepAction::Replace) = (spec, action) {
                images.entry(agent.clone()).or_default().insert(&spec.image);
            }
        }
        for (agent, images) in images {
            let reason = format!("images {}", images.into_iter().collect::<Vec<_>>().join(", "));
            let number = self.push(step(StepAction::Prefetch, agent, None, reason));
            self.before_changes.push(number);
        }
    }

    /// An instance that is not wanted and holds a port that is.
    fn remove_what_is_in_the_way(&mut self) {
        let in_the_way: Vec<_> = self
            .unwanted
            .iter()
            .filter_map(|(agent, instance)| {
                let claimant = self.claimant(agent, instance)?;
                Some((agent.clone(), *instance, format!("holds a port that {claimant} needs")))
            })
            .collect();
        let after = self.before_changes.clone();
        for (agent, instance, reason) in in_the_way {
            if let Some(number) = self.remove(agent, instance, reason, after.clone()) {
                self.before_changes.push(number);
            }
        }
    }

    /// The wanted container on that host which needs a port of the instance.
    fn claimant(&self, agent: &AgentId, instance: &Instance) -> Option<&ContainerName> {
        self.changes.iter().find_map(|((host, name, _), (action, _))| {
            let spec = container(self.wanted, name)?;
            let clashes = |port: &PortSpec| {
                instance
                    .ports
                    .iter()
                    .any(|held| Some(held.host_port) == port.host_port && held.protocol == port.protocol)
            };
            (host == agent && *action != StepAction::Keep && spec.ports.iter().any(clashes)).then_some(name)
        })
    }

    fn bring_up(&mut self, name: &ContainerName) {
        let Some(spec) = container(self.wanted, name) else { return };
        let mut after: Vec<usize> = spec
            .depends_on
            .iter()
            .filter_map(|dependency| self.numbers.get(&dependency.container))
            .flatten()
            .copied()
            .collect();
        after.extend(&self.before_changes);
        after.sort_unstable();
        let of_name: Vec<_> = self
            .changes
            .iter()
            .filter(|((_, container, _), _)| container == name)
            .map(|(p, c)| (p.clone(), c.clone()))
            .collect();
        for ((agent, container, slot), (action, reason)) in of_name {
            let after = if action == StepAction::Keep { Vec::new() } else { after.clone() };
            let number = self.push(Step { action, agent, container: Some(container), slot, reason, after, task: None });
            self.numbers.entry(name.clone()).or_default().push(number);
        }
    }

    fn remove_the_rest(&mut self) {
        let after: Vec<usize> = self.numbers.values().flatten().copied().collect();
        for (agent, instance) in self.unwanted.clone() {
            let reason = if container(self.wanted, &instance.container).is_some() {
                "placed elsewhere or one too many"
            } else {
                "no longer in the stack"
            };
            self.remove(agent, instance, reason.into(), after.clone());
        }
    }

    /// One removal for each place: it takes every instance there.
    fn remove(&mut self, agent: AgentId, instance: &Instance, reason: String, after: Vec<usize>) -> Option<usize> {
        let place = (agent.clone(), instance.container.clone(), instance.slot);
        if !self.removed.insert(place) {
            return None;
        }
        let removal = step(StepAction::Remove, agent, Some(instance.container.clone()), reason);
        Some(self.push(Step { slot: instance.slot, after, ..removal }))
    }
}

pub(super) fn step(
    action: StepAction,
    agent: AgentId,
    container: Option<ContainerName>,
    reason: impl Into<String>,
) -> Step {
    Step { action, agent, container, slot: Slot(0), reason: reason.into(), after: Vec::new(), task: None }
}

fn container<'a>(wanted: &'a StackSpec, name: &ContainerName) -> Option<&'a ContainerSpec> {
    wanted.containers.iter().find(|container| &container.name == name)
}

fn instances_at<'a>(observed: &'a [(AgentId, Vec<Instance>)], placement: &Placement) -> Vec<&'a Instance> {
    observed
        .iter()
        .filter(|(agent, _)| agent == &placement.agent)
        .flat_map(|(_, instances)| instances)
        .filter(|instance| instance.container == placement.container && instance.slot == placement.slot)
        .collect()
}

/// What becomes of a wanted instance, given what stands in its place.
fn change(wanted: &StackSpec, spec: &ContainerSpec, there: &[&Instance]) -> (StepAction, String) {
    let hash = spec_hash(spec, wanted.network.as_ref());
    match there {
        [] => (StepAction::Create, "missing".into()),
        [one] if one.spec_hash != hash => (StepAction::Replace, difference(spec, one, &hash)),
        [one] if one.is_good() || one.is_finished(spec) => (StepAction::Keep, "as wanted".into()),
        [one] if one.health == Health::Unhealthy => (StepAction::Create, "unhealthy".into()),
        [one] if one.health == Health::Starting && one.state == InstanceState::Running => {
            (StepAction::Create, "not healthy yet".into())
        }
        [one] => (StepAction::Create, format!("{}", one.state)),
        [_, _, ..] => (StepAction::Create, format!("{} instances in one place", there.len())),
    }
}

fn difference(spec: &ContainerSpec, instance: &Instance, hash: &str) -> String {
    if instance.image == spec.image {
        format!("spec {} → {hash}", instance.spec_hash)
    } else {
        format!("image {} → {}", instance.image, spec.image)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn lines(plan: &Plan) -> Vec<String> {
        let line = |(number, step): (usize, &Step)| {
            let name = step.container.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{number} {:?} {} {name} after {:?}: {}", step.action, step.agent, step.after, step.reason)
        };
        plan.steps.iter().enumerate().map(line).collect()
    }

    #[test]
    fn every_image_is_on_its_host_before_anything_is_made_and_waves_cross_hosts() {
        let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
        let plan = deploy(&spec, &sample::placed(&spec, &["vm1", "vm2"]), &[]);
        assert_eq!(
            lines(&plan),
            [
                "0 Prefetch vm1  after []: images db:1",
                "1 Prefetch vm2  after []: images web:1",
                "2 Create vm1 db after [0, 1]: missing",
                "3 Create vm2 web after [0, 1, 2]: missing",
            ]
        );
    }

    #[test]
    fn what_is_as_wanted_is_kept_and_needs_nothing() {
        let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
        let observed = [(sample::host("vm1"), vec![sample::instance(&spec, "db"), sample::instance(&spec, "web")])];
        let plan = deploy(&spec, &sample::placed(&spec, &["vm1", "vm1"]), &observed);
        assert_eq!(lines(&plan), ["0 Keep vm1 db after []: as wanted", "1 Keep vm1 web after []: as wanted"]);
    }

    #[test]
    fn another_image_replaces_that_container_alone_and_says_which() {
        let old = sample::stack(&[("db", &[]), ("web", &["db"])]);
        let mut new = old.clone();
        new.containers[1].image = "web:2".into();
        let observed = [(sample::host("vm1"), vec![sample::instance(&old, "db"), sample::instance(&old, "web")])];
        let plan = deploy(&new, &sample::placed(&new, &["vm1", "vm1"]), &observed);
        assert_eq!(
            lines(&plan),
            [
                "0 Prefetch vm1  after []: images web:2",
                "1 Keep vm1 db after []: as wanted",
                "2 Replace vm1 web after [0, 1]: image web:1 → web:2",
            ]
        );
    }

    #[test]
    fn what_left_the_stack_goes_when_the_rest_is_good() {
        let old = sample::stack(&[("db", &[]), ("web", &[])]);
        let new = sample::stack(&[("web", &[])]);
        let observed = [(sample::host("vm1"), vec![sample::instance(&old, "db")])];
        let plan = deploy(&new, &sample::placed(&new, &["vm1"]), &observed);
        assert_eq!(
            lines(&plan),
            [
                "0 Prefetch vm1  after []: images web:1",
                "1 Create vm1 web after [0]: missing",
                "2 Remove vm1 db after [1]: no longer in the stack",
            ]
        );
    }

    #[test]
    fn what_holds_a_wanted_port_goes_first() {
        let old = sample::stack(&[("old", &[])]);
        let mut new = sample::stack(&[("new", &[])]);
        new.containers[0].ports = vec![PortSpec {
            container_port: 80,
            host_port: Some(8080),
            protocol: crate::stack::Protocol::Tcp,
            host_ip: None,
        }];
        let mut holder = sample::instance(&old, "old");
        holder.ports = vec![crate::stack::PublishedPort {
            container_port: 80,
            host_port: 8080,
            protocol: crate::stack::Protocol::Tcp,
            host_ip: "0.0.0.0".into(),
        }];
        let plan = deploy(&new, &sample::placed(&new, &["vm1"]), &[(sample::host("vm1"), vec![holder])]);
        assert_eq!(
            lines(&plan),
            [
                "0 Prefetch vm1  after []: images new:1",
                "1 Remove vm1 old after [0]: holds a port that new needs",
                "2 Create vm1 new after [0, 1]: missing",
            ]
        );
    }

    #[test]
    fn an_instance_that_moved_is_made_there_before_it_goes_here() {
        let spec = sample::stack(&[("web", &[])]);
        let observed = [(sample::host("vm1"), vec![sample::instance(&spec, "web")])];
        let plan = deploy(&spec, &sample::placed(&spec, &["vm2"]), &observed);
        assert_eq!(
            lines(&plan),
            [
                "0 Prefetch vm2  after []: images web:1",
                "1 Create vm2 web after [0]: missing",
                "2 Remove vm1 web after [1]: placed elsewhere or one too many",
            ]
        );
    }

    #[test]
    fn a_stopped_instance_is_brought_up_and_the_reason_says_what_it_was() {
        let spec = sample::stack(&[("web", &[])]);
        let mut stopped = sample::instance(&spec, "web");
        stopped.state = InstanceState::Exited { exit_code: 137 };
        let plan = deploy(&spec, &sample::placed(&spec, &["vm1"]), &[(sample::host("vm1"), vec![stopped])]);
        assert_eq!(lines(&plan)[1], "1 Create vm1 web after [0]: exited (137)");
    }
}
