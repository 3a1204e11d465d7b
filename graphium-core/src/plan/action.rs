//! Plans for what is done to a whole stack: stop, start, restart, delete.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::step;
use super::{Plan, order};
use crate::id::{AgentId, ContainerName, Slot};
use crate::stack::{StackSpec, Step, StepAction};

/// Where instances of a stack are, or may be.
pub type Places = BTreeSet<(AgentId, ContainerName, Slot)>;

/// Stops every instance, dependants before what they depend on.
#[must_use]
pub fn stop(spec: &StackSpec, places: &Places) -> Plan {
    let mut names = order::by_dependency(spec);
    names.reverse();
    in_waves(places, &names, &dependants(spec), StepAction::Stop)
}

/// Starts every instance, each after what it depends on.
#[must_use]
pub fn start(spec: &StackSpec, places: &Places) -> Plan {
    in_waves(places, &order::by_dependency(spec), &dependencies(spec), StepAction::Start)
}

/// Restarts every instance, each after what it depends on.
#[must_use]
pub fn restart(spec: &StackSpec, places: &Places) -> Plan {
    in_waves(places, &order::by_dependency(spec), &dependencies(spec), StepAction::Restart)
}

/// Removes every instance, then whatever else each host has of the stack. Each host in `hosts` is asked even
/// where nothing was observed: what was observed may be old. The hosts do not wait for each other.
#[must_use]
pub fn delete(hosts: &BTreeSet<AgentId>, places: &Places, remove_volumes: bool) -> Plan {
    let action = if remove_volumes { StepAction::CleanupWithVolumes } else { StepAction::Cleanup };
    let mut plan = Plan::default();
    let every_host: BTreeSet<_> = hosts.iter().chain(places.iter().map(|(agent, _, _)| agent)).cloned().collect();
    for agent in every_host {
        let mut after = Vec::new();
        for (_, container, slot) in places.iter().filter(|(on, _, _)| on == &agent) {
            after.push(plan.steps.len());
            let removal = step(StepAction::Remove, agent.clone(), Some(container.clone()), "the stack is deleted");
            plan.steps.push(Step { slot: *slot, ..removal });
        }
        let cleanup = step(action, agent, None, "nothing of the stack may be left");
        plan.steps.push(Step { after, ..cleanup });
    }
    plan
}

type Relation = BTreeMap<ContainerName, Vec<ContainerName>>;

fn dependencies(spec: &StackSpec) -> Relation {
    let needs = |container: &crate::stack::ContainerSpec| {
        container.depends_on.iter().map(|dependency| dependency.container.clone()).collect()
    };
    spec.containers.iter().map(|container| (container.name.clone(), needs(container))).collect()
}

fn dependants(spec: &StackSpec) -> Relation {
    let mut reversed = Relation::new();
    for (name, needs) in dependencies(spec) {
        for need in needs {
            reversed.entry(need).or_default().push(name.clone());
        }
    }
    reversed
}

/// One step for each place, by container in this order, each after the steps of the containers before it.
/// Places of containers that the definition no longer has come last and wait for nothing.
fn in_waves(places: &Places, names: &[ContainerName], before: &Relation, action: StepAction) -> Plan {
    let mut plan = Plan::default();
    let mut numbers: BTreeMap<&ContainerName, Vec<usize>> = BTreeMap::new();
    let unknown = places.iter().map(|(_, container, _)| container).filter(|name| !names.contains(name));
    let every_name: Vec<_> = names.iter().chain(unknown.collect::<BTreeSet<_>>()).collect();
    for name in every_name {
        let after: Vec<usize> =
            before.get(name).into_iter().flatten().filter_map(|other| numbers.get(other)).flatten().copied().collect();
        for (agent, _, slot) in places.iter().filter(|(_, container, _)| container == name) {
            numbers.entry(name).or_default().push(plan.steps.len());
            let one = step(action, agent.clone(), Some(name.clone()), "asked for");
            plan.steps.push(Step { slot: *slot, after: after.clone(), ..one });
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn places(list: &[(&str, &str)]) -> Places {
        list.iter().map(|(on, name)| (sample::host(on), ContainerName::new(*name).unwrap(), Slot(0))).collect()
    }

    fn lines(plan: &Plan) -> Vec<String> {
        let line = |step: &Step| {
            let name = step.container.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{:?} {} {name} after {:?}", step.action, step.agent, step.after)
        };
        plan.steps.iter().map(line).collect()
    }

    #[test]
    fn a_stop_goes_against_the_dependencies_and_a_start_along_them() {
        let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
        let places = places(&[("vm1", "db"), ("vm2", "web")]);
        assert_eq!(lines(&stop(&spec, &places)), ["Stop vm2 web after []", "Stop vm1 db after [0]"]);
        assert_eq!(lines(&start(&spec, &places)), ["Start vm1 db after []", "Start vm2 web after [0]"]);
    }

    #[test]
    fn a_delete_asks_every_host_even_where_nothing_was_observed() {
        let hosts = [sample::host("vm1"), sample::host("vm2")].into();
        let plan = delete(&hosts, &places(&[("vm1", "web")]), false);
        assert_eq!(lines(&plan), ["Remove vm1 web after []", "Cleanup vm1  after [0]", "Cleanup vm2  after []"]);
    }

    #[test]
    fn an_instance_that_the_definition_no_longer_has_is_stopped_too() {
        let spec = sample::stack(&[("web", &[])]);
        let plan = stop(&spec, &places(&[("vm1", "web"), ("vm1", "ghost")]));
        assert_eq!(lines(&plan), ["Stop vm1 web after []", "Stop vm1 ghost after []"]);
    }
}
