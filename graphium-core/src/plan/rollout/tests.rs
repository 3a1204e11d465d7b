use super::super::{deploy, sample};
use super::*;
use crate::clock::Timestamp;
use crate::id::Generation;
use proptest::prelude::*;

fn deployment(action: DeploymentAction, steps: Vec<Step>) -> Deployment {
    let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
    Deployment {
        stack: spec.name.clone(),
        generation: Generation(1),
        action,
        spec,
        spec_from: None,
        steps,
        status: DeploymentStatus::Running,
        warnings: Vec::new(),
        created_by: None,
        started_at: Timestamp::EPOCH,
        finished_at: None,
    }
}

fn two_waves() -> Deployment {
    let spec = sample::stack(&[("db", &[]), ("web", &["db"])]);
    let plan = deploy(&spec, &sample::placed(&spec, &["vm1", "vm2"]), &[], &[]);
    deployment(DeploymentAction::Deploy, plan.steps)
}

/// Submits what may start and answers with the numbers.
fn submit(deployment: &mut Deployment, results: &BTreeMap<TaskId, StepResult>) -> Vec<usize> {
    let numbers = next(deployment, results).submit;
    for &number in &numbers {
        deployment.steps[number].task = Some(TaskId::generate());
    }
    numbers
}

fn settle(deployment: &Deployment, number: usize, result: StepResult) -> (TaskId, StepResult) {
    (deployment.steps[number].task.unwrap(), result)
}

#[test]
fn a_step_waits_for_all_that_it_comes_after() {
    let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
    assert_eq!(submit(&mut rollout, &results), [0, 1]);

    results.extend([settle(&rollout, 0, StepResult::Done)]);
    assert_eq!(submit(&mut rollout, &results), [0; 0]);

    results.extend([settle(&rollout, 1, StepResult::Done)]);
    assert_eq!(submit(&mut rollout, &results), [2]);

    results.extend([settle(&rollout, 2, StepResult::Done)]);
    assert_eq!(submit(&mut rollout, &results), [3]);

    results.extend([settle(&rollout, 3, StepResult::Done)]);
    assert_eq!(next(&rollout, &results).finish, Some(DeploymentStatus::Completed));
}

#[test]
fn after_a_failure_nothing_begins_and_what_is_under_way_may_end() {
    let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
    submit(&mut rollout, &results);

    results.extend([settle(&rollout, 0, StepResult::Failed { reason: "image_not_found: db:1".into() })]);
    assert_eq!(next(&rollout, &results), Next::default());

    results.extend([settle(&rollout, 1, StepResult::Done)]);
    let reason = "prefetch of the stack on vm1: image_not_found: db:1".into();
    let failed = Some(DeploymentStatus::Failed { reason });
    assert_eq!(next(&rollout, &results), Next { submit: Vec::new(), finish: failed });
}

#[test]
fn a_delete_goes_on_where_it_can() {
    let hosts = [sample::host("vm1"), sample::host("vm2")].into();
    let places = [("vm1", "db"), ("vm2", "web")]
        .map(|(on, name)| (sample::host(on), ContainerName::new(name).unwrap(), crate::id::Slot(0)))
        .into();
    let mut rollout = deployment(DeploymentAction::Delete, super::super::delete(&hosts, &places, false).steps);
    let mut results = BTreeMap::new();
    assert_eq!(submit(&mut rollout, &results), [0, 2]);

    results.extend([
        settle(&rollout, 0, StepResult::Failed { reason: "broken".into() }),
        settle(&rollout, 2, StepResult::Done),
    ]);
    assert_eq!(submit(&mut rollout, &results), [3]);
}

#[test]
fn a_plan_that_only_keeps_is_complete_at_once() {
    let mut step = deploy::step(StepAction::Keep, sample::host("vm1"), None, "as wanted");
    step.container = Some(ContainerName::new("db").unwrap());
    let rollout = deployment(DeploymentAction::Deploy, vec![step]);
    assert_eq!(next(&rollout, &BTreeMap::new()).finish, Some(DeploymentStatus::Completed));
}

#[test]
fn a_superseded_task_without_a_failure_ends_it_as_superseded() {
    let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
    submit(&mut rollout, &results);
    results.extend([settle(&rollout, 0, StepResult::Superseded), settle(&rollout, 1, StepResult::Superseded)]);
    assert_eq!(next(&rollout, &results).finish, Some(DeploymentStatus::Superseded));
}

#[test]
fn a_stop_goes_on_where_it_can_and_the_reason_names_what_failed() {
    let spec = sample::stack(&[("a", &[]), ("b", &[])]);
    let places = [("vm1", "a"), ("vm2", "b")]
        .map(|(on, name)| (sample::host(on), ContainerName::new(name).unwrap(), crate::id::Slot(0)))
        .into();
    let mut rollout = deployment(DeploymentAction::Stop, super::super::stop(&spec, &places).steps);
    let mut results = BTreeMap::new();
    rollout.steps[0].task = Some(TaskId::generate());
    results.extend([settle(&rollout, 0, StepResult::Failed { reason: "broken".into() })]);
    assert_eq!(submit(&mut rollout, &results), [1]);

    results.extend([settle(&rollout, 1, StepResult::Done)]);
    let reason = "stop of b/0 on vm2: broken".to_owned();
    assert_eq!(next(&rollout, &results).finish, Some(DeploymentStatus::Failed { reason }));
}

#[test]
fn a_plan_that_waits_for_itself_fails_instead_of_never_ending() {
    let mut rollout = two_waves();
    for step in &mut rollout.steps {
        step.after = vec![99];
    }
    let Some(DeploymentStatus::Failed { reason }) = next(&rollout, &BTreeMap::new()).finish else {
        panic!("it must fail");
    };
    assert!(reason.contains("cannot go on: step 0"), "{reason}");
}

#[test]
fn many_failures_are_counted_and_the_first_are_named() {
    let step = |number: usize| Step {
        container: Some(ContainerName::new(format!("c{number}")).unwrap()),
        task: Some(TaskId::generate()),
        ..deploy::step(StepAction::Remove, sample::host("vm1"), None, "x")
    };
    let rollout = deployment(DeploymentAction::Delete, (0..LISTED_FAILURES + 3).map(step).collect());
    let failed = |step: &Step| (step.task.unwrap(), StepResult::Failed { reason: "broken".into() });
    let results = rollout.steps.iter().map(failed).collect();
    let Some(DeploymentStatus::Failed { reason }) = next(&rollout, &results).finish else {
        panic!("it must fail");
    };
    assert!(reason.starts_with("remove of c0/0 on vm1: broken; remove of c1/0"), "{reason}");
    assert!(reason.ends_with("c4/0 on vm1: broken; and 3 more"), "{reason}");
}

#[test]
fn no_more_steps_begin_at_once_than_the_limit() {
    let step = |_| deploy::step(StepAction::Remove, sample::host("vm1"), None, "x");
    let mut rollout = deployment(DeploymentAction::Delete, (0..MAX_STEPS_AT_ONCE + 1).map(step).collect());
    assert_eq!(submit(&mut rollout, &BTreeMap::new()).len(), MAX_STEPS_AT_ONCE);
    assert_eq!(submit(&mut rollout, &BTreeMap::new()), [MAX_STEPS_AT_ONCE]);
}

/// A plan of any shape: each step comes after some of those before it.
fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((proptest::collection::vec(0..20_usize, 0..4), proptest::bool::weighted(0.2)), 1..20)
        .prop_map(|shapes| {
            let steps = shapes.into_iter().enumerate().map(|(number, (after, keep))| {
                let action = if keep { StepAction::Keep } else { StepAction::Create };
                let after = if keep || number == 0 { vec![] } else { after.into_iter().map(|a| a % number).collect() };
                Step { after, ..deploy::step(action, sample::host("vm1"), None, "x") }
            });
            steps.collect()
        })
}

fn any_action() -> impl Strategy<Value = DeploymentAction> {
    prop_oneof![
        Just(DeploymentAction::Deploy),
        Just(DeploymentAction::Stop),
        Just(DeploymentAction::Restart),
        Just(DeploymentAction::Delete)
    ]
}

proptest! {
    /// Whatever the shape of the plan and whatever its tasks come to, in whatever order: it ends, nothing
    /// starts before what it comes after, nothing starts twice, and after a failure a deploy starts nothing.
    #[test]
    fn any_plan_ends_and_keeps_its_order(
        steps in any_steps(),
        action in any_action(),
        outcomes in proptest::collection::vec(0..8_u8, 20),
        choices in proptest::collection::vec(0..20_usize, 40),
    ) {
        let mut rollout = deployment(action, steps);
        let (mut results, mut open, mut failed) = (BTreeMap::new(), Vec::new(), false);
        for choice in choices.iter().chain(std::iter::repeat_n(&0, 40)) {
            let asked = next(&rollout, &results);
            prop_assert_eq!(&next(&rollout, &results), &asked);
            let halts = failed && matches!(action, DeploymentAction::Deploy | DeploymentAction::Restart);
            prop_assert!(!halts || asked.submit.is_empty());
            for number in submit(&mut rollout, &results) {
                prop_assert!(!open.contains(&number));
                for &before in &rollout.steps[number].after {
                    let kept = rollout.steps[before].action == StepAction::Keep;
                    let done = rollout.steps[before].task.and_then(|task| results.get(&task)) == Some(&StepResult::Done);
                    prop_assert!(kept || done, "step {} began before {}", number, before);
                }
                open.push(number);
            }
            if open.is_empty() {
                break;
            }
            let number = open.swap_remove(choice % open.len());
            let result = match outcomes[number] {
                0 => StepResult::Failed { reason: "broken".into() },
                1 => StepResult::Superseded,
                _ => StepResult::Done,
            };
            failed |= result != StepResult::Done;
            results.extend([settle(&rollout, number, result)]);
        }
        let finish = next(&rollout, &results).finish;
        prop_assert!(finish.is_some());
        prop_assert_eq!(finish == Some(DeploymentStatus::Completed), !failed);
    }

    /// Whatever the tasks come to, a rollout ends, and no step starts before those it comes after.
    #[test]
    fn every_rollout_ends_and_none_starts_a_step_early(outcomes in proptest::collection::vec(0..4_u8, 4)) {
        let (mut rollout, mut results) = (two_waves(), BTreeMap::new());
        for _ in 0..=rollout.steps.len() {
            for number in submit(&mut rollout, &results) {
                for &before in &rollout.steps[number].after {
                    let task = rollout.steps[before].task.unwrap();
                    prop_assert_eq!(results.get(&task), Some(&StepResult::Done));
                }
                let result = match outcomes[number] {
                    0 => StepResult::Failed { reason: "broken".into() },
                    1 => StepResult::Superseded,
                    _ => StepResult::Done,
                };
                results.extend([settle(&rollout, number, result)]);
            }
        }
        prop_assert!(next(&rollout, &results).finish.is_some());
    }
}
