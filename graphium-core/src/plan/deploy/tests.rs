use super::super::sample::{host, instance, placed, stack};
use super::*;
use crate::stack::{MountSpec, NetworkSpec, PortSpec, Protocol, PublishedPort, RestartPolicy};

pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let line = |(number, step): (usize, &Step)| {
        let name = step.container.as_ref().map(|name| format!("{name}/{}", step.slot)).unwrap_or_default();
        let after: Vec<_> = step.after.iter().map(ToString::to_string).collect();
        format!("{number} {} {} {name} after [{}]: {}", step.action.as_str(), step.agent, after.join(" "), step.reason)
    };
    plan.steps.iter().enumerate().map(line).collect()
}

pub(super) fn port(number: u16) -> PortSpec {
    PortSpec { container_port: 80, host_port: Some(number), protocol: Protocol::Tcp, host_ip: None }
}

pub(super) fn published(number: u16) -> PublishedPort {
    PublishedPort { container_port: 80, host_port: number, protocol: Protocol::Tcp, host_ip: "0.0.0.0".into() }
}

/// The one line of a plan for one container on `vm1`, between two definitions of it.
fn becomes(old: &StackSpec, new: &StackSpec) -> String {
    let observed = [(host("vm1"), vec![instance(old, "web")])];
    let plan = deploy(new, &placed(new, &["vm1"]), &observed, &[old]);
    let step = plan.steps.iter().find(|step| step.container.is_some()).unwrap();
    format!("{}: {}", step.action.as_str(), step.reason)
}

fn changed(change: impl FnOnce(&mut StackSpec)) -> (StackSpec, StackSpec) {
    let old = stack(&[("web", &[])]);
    let mut new = old.clone();
    change(&mut new);
    (old, new)
}

#[test]
fn every_image_is_on_its_host_before_anything_is_made_and_waves_cross_hosts() {
    let spec = stack(&[("db", &[]), ("web", &["db"])]);
    let plan = deploy(&spec, &placed(&spec, &["vm1", "vm2"]), &[], &[]);
    assert_eq!(
        lines(&plan),
        [
            "0 prefetch vm1  after []: images db:1",
            "1 prefetch vm2  after []: images web:1",
            "2 create vm1 db/0 after [0 1]: missing",
            "3 create vm2 web/0 after [2]: missing",
        ]
    );
}

#[test]
fn every_replica_of_a_dependency_comes_first() {
    let mut spec = stack(&[("web", &["db"]), ("db", &["disk"]), ("disk", &[])]);
    spec.containers[1].replicas = 2;
    let mut placements = placed(&spec, &["vm1", "vm1", "vm1"]);
    placements.push(Placement { slot: Slot(1), agent: host("vm2"), ..placements[1].clone() });
    let plan = deploy(&spec, &placements, &[], &[]);
    assert_eq!(
        lines(&plan)[2..],
        [
            "2 create vm1 disk/0 after [0 1]: missing",
            "3 create vm1 db/0 after [2]: missing",
            "4 create vm2 db/1 after [2]: missing",
            "5 create vm1 web/0 after [3 4]: missing",
        ]
    );
}

#[test]
fn what_is_as_wanted_is_kept_and_needs_nothing() {
    let spec = stack(&[("db", &[]), ("web", &["db"])]);
    let observed = [(host("vm1"), vec![instance(&spec, "db"), instance(&spec, "web")])];
    let plan = deploy(&spec, &placed(&spec, &["vm1", "vm1"]), &observed, &[&spec]);
    assert_eq!(lines(&plan), ["0 keep vm1 db/0 after []: as wanted", "1 keep vm1 web/0 after []: as wanted"]);
}

#[test]
fn another_image_replaces_that_container_alone_and_says_which() {
    let old = stack(&[("db", &[]), ("web", &["db"])]);
    let mut new = old.clone();
    new.containers[1].image = "web:2".into();
    let observed = [(host("vm1"), vec![instance(&old, "db"), instance(&old, "web")])];
    let plan = deploy(&new, &placed(&new, &["vm1", "vm1"]), &observed, &[]);
    assert_eq!(
        lines(&plan),
        [
            "0 prefetch vm1  after []: images web:2",
            "1 keep vm1 db/0 after []: as wanted",
            "2 replace vm1 web/0 after [0 1]: image web:1 → web:2",
        ]
    );
}

#[test]
fn what_left_the_stack_goes_when_all_the_rest_is_good() {
    let old = stack(&[("old", &[]), ("web", &[])]);
    let new = stack(&[("db", &[]), ("web", &["db"]), ("job", &[])]);
    let observed = [(host("vm1"), vec![instance(&old, "old"), instance(&old, "web")])];
    let plan = deploy(&new, &placed(&new, &["vm1", "vm1", "vm2"]), &observed, &[]);
    assert_eq!(
        lines(&plan),
        [
            "0 prefetch vm1  after []: images db:1",
            "1 prefetch vm2  after []: images job:1",
            "2 create vm1 db/0 after [0 1]: missing",
            "3 create vm2 job/0 after [0 1]: missing",
            "4 keep vm1 web/0 after []: as wanted",
            "5 remove vm1 old/0 after [2 3 4]: no longer in the stack",
        ]
    );
}

#[test]
fn what_holds_a_wanted_port_goes_first() {
    let old = stack(&[("old", &[])]);
    let mut new = stack(&[("new", &[])]);
    new.containers[0].ports = vec![port(8080)];
    let holder = Instance { ports: vec![published(8080)], ..instance(&old, "old") };
    let plan = deploy(&new, &placed(&new, &["vm1"]), &[(host("vm1"), vec![holder])], &[]);
    assert_eq!(
        lines(&plan),
        [
            "0 prefetch vm1  after []: images new:1",
            "1 remove vm1 old/0 after [0]: holds host port 8080/tcp, which new needs",
            "2 create vm1 new/0 after [0 1]: missing",
        ]
    );
}

#[test]
fn the_same_port_on_another_host_or_address_is_in_nobodys_way() {
    let old = stack(&[("old", &[])]);
    let mut new = stack(&[("new", &[])]);
    new.containers[0].ports = vec![PortSpec { host_ip: Some("127.0.0.2".parse().unwrap()), ..port(8080) }];
    let local = PublishedPort { host_ip: "127.0.0.1".into(), ..published(8080) };
    let holder = Instance { ports: vec![local], ..instance(&old, "old") };
    let plan = deploy(&new, &placed(&new, &["vm1"]), &[(host("vm1"), vec![holder.clone()])], &[]);
    assert_eq!(lines(&plan)[2], "2 remove vm1 old/0 after [1]: no longer in the stack");

    new.containers[0].ports = vec![port(8080)];
    let plan = deploy(&new, &placed(&new, &["vm2"]), &[(host("vm1"), vec![holder])], &[]);
    assert_eq!(lines(&plan)[2], "2 remove vm1 old/0 after [1]: no longer in the stack");
}

#[test]
fn two_that_exchange_a_port_both_come_up() {
    let mut old = stack(&[("a", &[]), ("b", &[])]);
    old.containers[0].ports = vec![port(1)];
    old.containers[1].ports = vec![port(2)];
    let mut new = old.clone();
    new.containers[0].ports = vec![port(2)];
    new.containers[1].ports = vec![port(1)];
    let a = Instance { ports: vec![published(1)], ..instance(&old, "a") };
    let b = Instance { ports: vec![published(2)], ..instance(&old, "b") };
    let plan = deploy(&new, &placed(&new, &["vm1", "vm1"]), &[(host("vm1"), vec![a, b])], &[&old]);
    assert_eq!(
        lines(&plan),
        [
            "0 prefetch vm1  after []: images a:1, b:1",
            "1 remove vm1 a/0 after [0]: holds host port 1/tcp, which b needs",
            "2 remove vm1 b/0 after [0]: holds host port 2/tcp, which a needs",
            "3 create vm1 a/0 after [0 1 2]: ports changed",
            "4 create vm1 b/0 after [0 1 2]: ports changed",
        ]
    );
}

#[test]
fn what_has_a_wanted_name_goes_first() {
    let old = stack(&[("old", &[])]);
    let mut new = stack(&[("new", &[])]);
    new.containers[0].container_name = Some("front".into());
    let holder = Instance { name: "front".into(), ..instance(&old, "old") };
    let plan = deploy(&new, &placed(&new, &["vm1"]), &[(host("vm1"), vec![holder])], &[]);
    assert_eq!(lines(&plan)[1], "1 remove vm1 old/0 after [0]: has the name front, which new needs");
}

#[test]
fn an_instance_that_moved_is_made_there_before_it_goes_here() {
    let spec = stack(&[("web", &[])]);
    let observed = [(host("vm1"), vec![instance(&spec, "web")])];
    let plan = deploy(&spec, &placed(&spec, &["vm2"]), &observed, &[&spec]);
    assert_eq!(
        lines(&plan),
        [
            "0 prefetch vm2  after []: images web:1",
            "1 create vm2 web/0 after [0]: missing",
            "2 remove vm1 web/0 after [1]: placed on vm2",
        ]
    );
}

#[test]
fn fewer_replicas_remove_the_last_ones_and_touch_no_other() {
    let spec = stack(&[("web", &[])]);
    let instances = (0..3).map(|slot| Instance { slot: Slot(slot), ..instance(&spec, "web") }).collect();
    let plan = deploy(&spec, &placed(&spec, &["vm1"]), &[(host("vm1"), instances)], &[&spec]);
    assert_eq!(
        lines(&plan),
        [
            "0 keep vm1 web/0 after []: as wanted",
            "1 remove vm1 web/1 after [0]: one too many: 1 wanted",
            "2 remove vm1 web/2 after [0]: one too many: 1 wanted",
        ]
    );
}

#[test]
fn an_instance_that_is_not_good_is_brought_up_and_the_reason_says_what_it_is() {
    let spec = stack(&[("web", &[])]);
    for (state, health, reason) in [
        (InstanceState::Exited { exit_code: 137 }, Health::None, "exited (137)"),
        (InstanceState::Created, Health::None, "created"),
        (InstanceState::Restarting, Health::None, "restarting"),
        (InstanceState::Running, Health::Unhealthy, "unhealthy"),
        (InstanceState::Running, Health::Starting, "not healthy yet"),
    ] {
        let there = Instance { state, health, ..instance(&spec, "web") };
        let plan = deploy(&spec, &placed(&spec, &["vm1"]), &[(host("vm1"), vec![there])], &[]);
        assert_eq!(lines(&plan)[1], format!("1 create vm1 web/0 after [0]: {reason}"));
    }
}

#[test]
fn two_instances_in_one_place_are_made_one() {
    let spec = stack(&[("web", &[])]);
    let observed = [(host("vm1"), vec![instance(&spec, "web"), instance(&spec, "web")])];
    let plan = deploy(&spec, &placed(&spec, &["vm1"]), &observed, &[]);
    assert_eq!(lines(&plan)[1], "1 create vm1 web/0 after [0]: 2 instances in one place");
}

#[test]
fn a_server_that_was_stopped_is_started_again_and_a_job_that_is_done_is_not() {
    let mut spec = stack(&[("job", &[]), ("web", &["job"])]);
    let ended = |spec: &StackSpec| {
        let state = InstanceState::Exited { exit_code: 0 };
        vec![Instance { state, ..instance(spec, "job") }, instance(spec, "web")]
    };
    let observed = [(host("vm1"), ended(&spec))];
    let plan = deploy(&spec, &placed(&spec, &["vm1", "vm1"]), &observed, &[]);
    assert_eq!(lines(&plan)[1], "1 create vm1 job/0 after [0]: exited (0)");

    spec.containers[1].depends_on[0].condition = Some(DependencyCondition::Completed);
    let plan = deploy(&spec, &placed(&spec, &["vm1", "vm1"]), &observed, &[]);
    assert_eq!(lines(&plan)[0], "0 keep vm1 job/0 after []: as wanted");
}

#[test]
fn a_replacement_says_field_by_field_why() {
    let (old, new) = changed(|new| {
        let web = &mut new.containers[0];
        web.image = "web:2".into();
        web.env.insert("NEW".into(), "secret".into());
        web.labels.insert("tier".into(), "front".into());
        web.ports = vec![port(80)];
        web.args = vec!["-v".into()];
        web.user = Some("app".into());
        new.network = Some(NetworkSpec::bridge("net"));
    });
    let expected = "replace: image web:1 → web:2, env +NEW, labels +tier, network none → net, command changed, \
                    ports changed, user changed";
    assert_eq!(becomes(&old, &new), expected);
}

#[test]
fn the_values_of_variables_are_never_shown() {
    let mut old = stack(&[("web", &[])]);
    let env = [("A", "one"), ("B", "two"), ("C", "three")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    old.containers[0].env = env.into();
    let mut new = old.clone();
    new.containers[0].env.remove("A");
    new.containers[0].env.insert("B".into(), "secret".into());
    new.containers[0].env.insert("D".into(), "secret".into());
    assert_eq!(becomes(&old, &new), "replace: env +D -A ~B");
}

#[test]
fn without_the_definition_it_was_made_from_the_hashes_tell() {
    let (old, new) = changed(|new| new.containers[0].user = Some("app".into()));
    let observed = [(host("vm1"), vec![instance(&old, "web")])];
    let plan = deploy(&new, &placed(&new, &["vm1"]), &observed, &[]);
    assert!(plan.steps[1].reason.starts_with("spec 1:"), "{:?}", plan.steps[1]);
}

#[test]
fn limits_and_policy_change_in_place() {
    let (old, new) = changed(|new| {
        new.containers[0].restart_policy = RestartPolicy::Always;
        new.containers[0].resources.limits.memory_bytes = Some(1024);
    });
    assert_eq!(becomes(&old, &new), "update: restart policy no → always, memory limit none → 1024 bytes");
    // Engines cannot lift a limit.
    assert_eq!(becomes(&new, &old), "replace: restart policy always → no, memory limit 1024 bytes → none");
}

#[test]
fn a_change_in_place_that_was_only_tried_is_made_again() {
    let (good, tried) = changed(|new| new.containers[0].restart_policy = RestartPolicy::Always);
    let observed = [(host("vm1"), vec![instance(&good, "web")])];
    for wanted in [&good, &tried] {
        let plan = deploy(wanted, &placed(wanted, &["vm1"]), &observed, &[&tried, &good]);
        assert_eq!(plan.steps[0].action, StepAction::Update, "{:?}", plan.steps);
    }
}

#[test]
fn an_image_that_is_always_pulled_is_looked_at_again() {
    let (old, new) = changed(|new| new.containers[0].pull_policy = PullPolicy::Always);
    assert_eq!(becomes(&old, &new), "create: pullPolicy is always: replaced if its image has changed");
}

#[test]
fn an_image_that_is_never_pulled_is_not_fetched_ahead() {
    let mut spec = stack(&[("web", &[])]);
    spec.containers[0].pull_policy = PullPolicy::Never;
    let plan = deploy(&spec, &placed(&spec, &["vm1"]), &[], &[]);
    assert_eq!(lines(&plan), ["0 create vm1 web/0 after []: missing"]);
}

#[test]
fn a_replacement_that_interrupts_is_announced() {
    let mut old = stack(&[("web", &[])]);
    old.containers[0].ports = vec![port(8080)];
    let mut new = old.clone();
    new.containers[0].image = "web:2".into();
    let observed = [(host("vm1"), vec![instance(&old, "web")])];
    let warnings = deploy(&new, &placed(&new, &["vm1"]), &observed, &[&old]).warnings;
    let expected = "web/0 on vm1 is interrupted: host port 8080/tcp is free only when the old instance has stopped";
    assert_eq!(warnings, [expected]);

    new.containers[0].ports.clear();
    let source = MountSource::Volume { name: "data".into(), driver: None, external: false };
    new.containers[0].mounts = vec![MountSpec { source, target: "/data".into(), read_only: false }];
    let warnings = deploy(&new, &placed(&new, &["vm1"]), &observed, &[&old]).warnings;
    assert!(warnings[0].contains("volume data is free only"), "{warnings:?}");
}
