//! What holds for the plan between any two definitions.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::super::sample::{host, instance, stack};
use super::tests::{lines, port, published};
use super::*;
use crate::stack::Dependency;

fn any_stack() -> impl Strategy<Value = StackSpec> {
    let container = (0..3_u32, 0..3_u8, proptest::option::of(0..3_u16), proptest::collection::vec(0..5_usize, 0..3));
    proptest::collection::vec(container, 1..5).prop_map(|containers| {
        let mut spec = stack(&[]);
        for (number, (replicas, tag, fixed, needs)) in containers.into_iter().enumerate() {
            let mut container =
                ContainerSpec::new(ContainerName::new(format!("c{number}")).unwrap(), format!("i:{tag}"));
            container.replicas = replicas;
            container.ports = fixed.map(|offset| port(8000 + offset)).into_iter().collect();
            let needs: BTreeSet<_> = needs.into_iter().filter(|need| *need < number).collect();
            container.depends_on = needs
                .into_iter()
                .map(|need| Dependency { container: ContainerName::new(format!("c{need}")).unwrap(), condition: None })
                .collect();
            spec.containers.push(container);
        }
        spec
    })
}

/// Puts every instance somewhere by number.
fn scattered(spec: &StackSpec, seed: usize) -> Vec<Placement> {
    let wanted = spec.containers.iter().flat_map(|c| (0..c.replicas).map(move |slot| (c.name.clone(), Slot(slot))));
    let place = |(number, (container, slot))| Placement {
        container,
        slot,
        agent: host(&format!("vm{}", (number * 7 + seed) % 3)),
        reason: String::new(),
    };
    wanted.enumerate().map(place).collect()
}

/// What there would be after that placement.
fn reached(spec: &StackSpec, placements: &[Placement]) -> Vec<(AgentId, Vec<Instance>)> {
    let mut hosts: BTreeMap<AgentId, Vec<Instance>> = BTreeMap::new();
    for placement in placements {
        let ports = spec.container(&placement.container).unwrap().ports.iter().filter_map(|port| port.host_port);
        let there = Instance {
            slot: placement.slot,
            ports: ports.map(published).collect(),
            ..instance(spec, placement.container.as_str())
        };
        hosts.entry(placement.agent.clone()).or_default().push(there);
    }
    hosts.into_iter().collect()
}

/// Every step that a step comes after, directly or not.
fn before(plan: &Plan, number: usize) -> BTreeSet<usize> {
    let mut all: BTreeSet<usize> = plan.steps[number].after.iter().copied().collect();
    for earlier in plan.steps[number].after.clone() {
        all.extend(before(plan, earlier));
    }
    all
}

/// Every step has a reason, and waits for earlier ones alone.
fn check_order(plan: &Plan) -> Result<(), TestCaseError> {
    for (number, step) in plan.steps.iter().enumerate() {
        prop_assert!(step.after.iter().all(|&earlier| earlier < number), "step {} waits for a later one", number);
        prop_assert!(!step.reason.is_empty());
    }
    Ok(())
}

/// Every image is there before anything is made, and whatever a container depends on comes before it, on every host.
fn check_waves(new: &StackSpec, plan: &Plan) -> Result<(), TestCaseError> {
    let makes = |step: &Step| matches!(step.action, StepAction::Create | StepAction::Replace);
    for (number, step) in plan.steps.iter().enumerate().filter(|(_, step)| makes(step)) {
        let first = before(plan, number);
        let spec = new.container(step.container.as_ref().unwrap()).unwrap();
        for (other, earlier) in plan.steps.iter().enumerate() {
            let is_needed = spec.depends_on.iter().any(|need| Some(&need.container) == earlier.container.as_ref());
            if earlier.action == StepAction::Prefetch || (is_needed && makes(earlier)) {
                prop_assert!(first.contains(&other), "step {} may begin before {}", number, other);
            }
        }
    }
    Ok(())
}

/// Every wanted instance has exactly one step that leaves it there, what is kept is touched by no other, and
/// whatever else is there is removed.
fn check_places(
    placements: &[Placement],
    observed: &[(AgentId, Vec<Instance>)],
    plan: &Plan,
) -> Result<(), TestCaseError> {
    let place = |step: &Step| Some((step.agent.clone(), step.container.clone()?, step.slot));
    let (removals, others): (Vec<_>, Vec<_>) = plan.steps.iter().partition(|step| step.action == StepAction::Remove);
    let removed: BTreeSet<_> = removals.into_iter().filter_map(place).collect();
    let mut left: Vec<_> = others.iter().copied().filter_map(place).collect();
    left.sort();
    let mut wanted: Vec<_> = placements.iter().map(|p| (p.agent.clone(), p.container.clone(), p.slot)).collect();
    wanted.sort();
    prop_assert_eq!(&left, &wanted);
    for kept in others.into_iter().filter(|step| step.action == StepAction::Keep).filter_map(place) {
        prop_assert!(!removed.contains(&kept), "{:?} is kept and removed", kept);
    }
    for (agent, instances) in observed {
        for instance in instances {
            let there = (agent.clone(), instance.container.clone(), instance.slot);
            prop_assert!(left.contains(&there) || removed.contains(&there), "{:?} is forgotten", there);
        }
    }
    Ok(())
}

proptest! {
    /// Between any two definitions, however they are placed, and whatever of the first is really there.
    #[test]
    fn every_plan_keeps_its_promises(
        old in any_stack(),
        new in any_stack(),
        seeds in (0..3_usize, 0..3_usize),
        cut in 0..9_usize,
    ) {
        let mut observed = reached(&old, &scattered(&old, seeds.0));
        observed.iter_mut().for_each(|(_, instances)| instances.truncate(cut));
        let placements = scattered(&new, seeds.1);
        let plan = deploy(&new, &placements, &observed, &[&old]);
        prop_assert_eq!(&deploy(&new, &placements, &observed, &[&old]), &plan);
        check_order(&plan)?;
        check_waves(&new, &plan)?;
        check_places(&placements, &observed, &plan)?;
    }

    /// A second deployment of what is there does nothing.
    #[test]
    fn what_was_reached_is_only_kept(spec in any_stack(), seed in 0..3_usize) {
        let placements = scattered(&spec, seed);
        let plan = deploy(&spec, &placements, &reached(&spec, &placements), &[&spec]);
        prop_assert!(plan.steps.iter().all(|step| step.action == StepAction::Keep), "{:?}", lines(&plan));
    }
}
