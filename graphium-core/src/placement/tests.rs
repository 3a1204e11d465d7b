use proptest::prelude::*;

use super::*;
use crate::id::StackName;
use crate::stack::{Capacity, ContainerSpec, PlacementStrategy, PortSpec, Protocol, PublishedPort};

fn id(name: &str) -> AgentId {
    AgentId::new(name).unwrap()
}

fn host(name: &str) -> HostView {
    let capacity = Some(Capacity { cpu_millis: 4000, memory_bytes: 8 << 30 });
    HostView::of(id(name), HostState::Ready, capacity, &[], &StackName::new("shop").unwrap())
}

fn with(name: &str, change: impl FnOnce(&mut HostView)) -> HostView {
    let mut host = host(name);
    change(&mut host);
    host
}

fn container(name: &str) -> ContainerSpec {
    ContainerSpec::new(ContainerName::new(name).unwrap(), "nginx")
}

fn on(name: &str, host: &str) -> ContainerSpec {
    ContainerSpec { host: Some(id(host)), ..container(name) }
}

fn port(number: u16) -> PortSpec {
    PortSpec { container_port: 80, host_port: Some(number), protocol: Protocol::Tcp, host_ip: None }
}

fn held(host_ip: &str, host_port: u16, holder: &str) -> HeldPort {
    let port = PublishedPort { container_port: 80, host_port, protocol: Protocol::Tcp, host_ip: host_ip.into() };
    HeldPort { port, holder: holder.into() }
}

fn stack(strategy: PlacementStrategy, containers: impl IntoIterator<Item = ContainerSpec>) -> StackSpec {
    StackSpec {
        name: StackName::new("shop").unwrap(),
        description: None,
        comment: None,
        strategy,
        host_constraints: Vec::new(),
        host: None,
        network: None,
        containers: containers.into_iter().collect(),
    }
}

fn spread(containers: impl IntoIterator<Item = ContainerSpec>) -> StackSpec {
    stack(PlacementStrategy::Spread, containers)
}

/// `web/0 vm1` for each instance that has a host.
fn placed(spec: &StackSpec, hosts: &[HostView]) -> Vec<String> {
    let placements = place(spec, hosts);
    assert_eq!(placements.refused, [], "{:?}", placements.placed);
    placements.placed.iter().map(|p| format!("{}/{} {}", p.container, p.slot, p.agent)).collect()
}

fn refusals(spec: &StackSpec, hosts: &[HostView]) -> Vec<String> {
    place(spec, hosts).refused.into_iter().map(|refusal| refusal.message).collect()
}

#[test]
fn manual_puts_each_where_it_says() {
    let mut spec = stack(PlacementStrategy::Manual, [on("a", "vm1"), container("b")]);
    spec.host = Some(id("vm2"));
    assert_eq!(placed(&spec, &[host("vm1"), host("vm2")]), ["a/0 vm1", "b/0 vm2"]);
}

#[test]
fn an_unknown_host_is_refused_with_those_that_are_known() {
    let spec = stack(PlacementStrategy::Manual, [on("a", "vm9")]);
    assert_eq!(refusals(&spec, &[host("vm2"), host("vm1")]), ["no host vm9 is known; known hosts: vm1, vm2"]);
    assert_eq!(refusals(&spec, &[]), ["no host vm9 is known; known hosts: none"]);
}

#[test]
fn a_named_host_that_is_down_is_waited_for() {
    let spec = stack(PlacementStrategy::Manual, [on("a", "vm1")]);
    let hosts = [with("vm1", |host| host.state = HostState::Down)];
    assert_eq!(placed(&spec, &hosts), ["a/0 vm1"]);
    assert_eq!(place(&spec, &hosts).warnings, ["host vm1 is down: its tasks wait until it answers"]);
}

#[test]
fn manual_without_a_host_is_refused() {
    let spec = stack(PlacementStrategy::Manual, [container("a")]);
    assert!(refusals(&spec, &[host("vm1")])[0].contains("names no host"));
}

#[test]
fn a_held_port_is_refused_with_its_holder() {
    let taken = held("0.0.0.0", 8080, "container web of stack other");
    let hosts = [with("vm1", |host| host.held_ports = vec![taken])];
    let mut web = on("web", "vm1");
    web.ports = vec![port(8080)];
    let expected = "web/0 cannot be on host vm1: it has host port 8080/tcp held by container web of stack other";
    assert_eq!(refusals(&stack(PlacementStrategy::Manual, [web.clone()]), &hosts), [expected]);

    web.host = None;
    let expected = "no host for web/0: vm1 has host port 8080/tcp held by container web of stack other";
    assert_eq!(refusals(&spread([web]), &hosts), [expected]);
}

#[test]
fn replicas_with_a_fixed_port_go_to_a_host_each_or_nowhere() {
    let mut web = container("web");
    web.ports = vec![port(8080)];
    web.replicas = 3;
    let spec = spread([web]);
    assert_eq!(placed(&spec, &[host("vm1"), host("vm2"), host("vm3")]), ["web/0 vm1", "web/1 vm2", "web/2 vm3"]);
    assert_eq!(
        refusals(&spec, &[host("vm1"), host("vm2")]),
        ["no host for web/2: vm1 has host port 8080/tcp taken by web of this stack; \
          vm2 has host port 8080/tcp taken by web of this stack"]
    );
}

#[test]
fn replicas_with_a_fixed_port_on_one_named_host_are_refused_but_the_first() {
    let mut web = on("web", "vm1");
    web.ports = vec![port(8080)];
    web.replicas = 2;
    let refused = refusals(&stack(PlacementStrategy::Manual, [web]), &[host("vm1")]);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("web/1 cannot be on host vm1"), "{refused:?}");
}

#[test]
fn spread_prefers_hosts_with_fewer_instances_of_the_stack_then_of_any() {
    let hosts = [with("vm1", |host| host.instances = 5), host("vm2"), with("vm3", |host| host.instances = 1)];
    let spec = spread(["a", "b", "c", "d"].map(container));
    assert_eq!(placed(&spec, &hosts), ["a/0 vm2", "b/0 vm3", "c/0 vm1", "d/0 vm2"]);
}

#[test]
fn spread_leaves_what_runs_where_it_is_even_where_nothing_new_may_go() {
    let own = |name: &str| vec![(ContainerName::new(name).unwrap(), Slot(0))];
    let spec = spread(["a", "b", "c"].map(container));
    for change in [(|host| host.cordoned = true) as fn(&mut HostView), |host| host.state = HostState::Unknown] {
        let full = with("vm2", |host| {
            host.own = own("c");
            change(host);
        });
        assert_eq!(placed(&spec, &[host("vm1"), full]), ["a/0 vm1", "b/0 vm1", "c/0 vm2"]);
    }
}

#[test]
fn what_no_longer_fits_where_it_is_moves() {
    let mut spec = spread([container("a")]);
    spec.host_constraints = vec![id("vm2")];
    let old = with("vm1", |host| host.own = vec![(ContainerName::new("a").unwrap(), Slot(0))]);
    assert_eq!(placed(&spec, &[old, host("vm2")]), ["a/0 vm2"]);
}

#[test]
fn every_host_that_does_not_fit_says_why() {
    let mut web = container("web");
    web.requirements.minimum.cpu_millis = Some(8500);
    web.requirements.required_labels.insert("disk".into(), "ssd".into());
    let mut spec = spread([web]);
    spec.host_constraints = ["a", "b", "c", "d", "e", "f"].map(id).to_vec();
    let labelled = |name: &str, value: &str, change: fn(&mut HostView)| {
        with(name, |host| {
            host.labels = Some([("disk".to_owned(), value.to_owned())].into());
            change(host);
        })
    };
    let hosts = [
        labelled("a", "ssd", |_| ()),
        labelled("b", "hdd", |_| ()),
        host("c"),
        labelled("d", "ssd", |host| host.capacity = None),
        with("e", |host| host.cordoned = true),
        with("f", |host| host.state = HostState::Down),
        host("g"),
    ];
    let refused = place(&spec, &hosts).refused.remove(0);
    let reasons: Vec<_> = refused.hosts.iter().map(|host| format!("{} {}", host.agent, host.reason)).collect();
    assert_eq!(
        reasons,
        [
            "a has 4 of the 8.5 CPU cores required",
            "b lacks the label disk=ssd",
            "c has not reported labels, and disk=ssd is required",
            "d has not reported its capacity, and a minimum is required",
            "e is cordoned: uncordon it first",
            "f is down",
            "g is not among the stack's host constraints",
        ]
    );
}

#[test]
fn what_is_reserved_must_be_there() {
    let mut web = on("web", "vm1");
    web.resources.reservations.memory_bytes = Some(9 << 30);
    let refused = refusals(&stack(PlacementStrategy::Manual, [web]), &[host("vm1")]);
    assert_eq!(refused, ["web/0 cannot be on host vm1: it has 8192 of the 9216 MiB of memory required"]);
}

#[test]
fn nothing_new_goes_to_a_cordoned_host_even_by_name() {
    let spec = stack(PlacementStrategy::Manual, [on("a", "vm1")]);
    let cordoned = with("vm1", |host| host.cordoned = true);
    assert!(refusals(&spec, std::slice::from_ref(&cordoned))[0].contains("cordoned"));
    let has_it = HostView { own: vec![(ContainerName::new("a").unwrap(), Slot(0))], ..cordoned };
    assert_eq!(placed(&spec, &[has_it]), ["a/0 vm1"]);
}

#[test]
fn together_keeps_the_unnamed_on_the_emptiest_host_and_the_named_where_they_say() {
    let spec = stack(PlacementStrategy::Together, [container("a"), on("b", "vm1"), container("c")]);
    let hosts = [with("vm1", |host| host.instances = 2), host("vm2"), host("vm3")];
    assert_eq!(placed(&spec, &hosts), ["a/0 vm2", "b/0 vm1", "c/0 vm2"]);
}

#[test]
fn together_stays_where_the_stack_is() {
    let spec = stack(PlacementStrategy::Together, ["a", "b"].map(container));
    let own = vec![(ContainerName::new("a").unwrap(), Slot(0))];
    let home = |state| {
        with("vm2", |host| {
            host.own = own.clone();
            host.instances = 9;
            host.state = state;
        })
    };
    assert_eq!(placed(&spec, &[host("vm1"), home(HostState::Ready)]), ["a/0 vm2", "b/0 vm2"]);
    assert_eq!(placed(&spec, &[host("vm1"), home(HostState::Down)]), ["a/0 vm2", "b/0 vm2"]);
}

#[test]
fn together_takes_a_host_that_fits_all_of_it() {
    let mut web = container("web");
    web.ports = vec![port(80)];
    let spec = stack(PlacementStrategy::Together, [container("db"), web]);
    let taken = held("::", 80, "container x");
    let busy = with("vm1", |host| host.held_ports = vec![taken]);
    assert_eq!(placed(&spec, &[busy.clone(), with("vm2", |host| host.instances = 3)]), ["db/0 vm2", "web/0 vm2"]);
    let refused = refusals(&spec, &[busy]);
    let expected = "no host for db/0: vm1 has host port 80/tcp held by container x, which web would need";
    assert_eq!(refused[0], expected);
    assert_eq!(refused.len(), 2);
}

#[test]
fn without_any_host_the_refusal_says_what_to_do() {
    assert_eq!(refusals(&spread([container("a")]), &[]), ["no host for a/0: no host is known. Start an agent first"]);
}

#[test]
fn a_view_of_a_host_tells_the_stack_from_others() {
    let instance = |stack: &str, number: u16| crate::stack::Instance {
        runtime_id: "1".into(),
        name: "n".into(),
        stack: Some(StackName::new(stack).unwrap()),
        container: ContainerName::new("web").unwrap(),
        slot: Slot(0),
        generation: crate::id::Generation(1),
        spec_hash: "1:a".into(),
        task: None,
        image: "i".into(),
        image_digest: "d".into(),
        state: crate::stack::InstanceState::Running,
        health: crate::stack::Health::None,
        restart_count: 0,
        ports: vec![PublishedPort {
            container_port: 80,
            host_port: number,
            protocol: Protocol::Tcp,
            host_ip: "0.0.0.0".into(),
        }],
    };
    let instances = [instance("shop", 1), instance("other", 2)];
    let zero = Some(Capacity::default());
    let view = HostView::of(id("vm1"), HostState::Ready, zero, &instances, &StackName::new("shop").unwrap());
    assert_eq!(view.own.len(), 1);
    assert_eq!(view.held_ports.len(), 1);
    assert_eq!(
        (view.held_ports[0].port.host_port, view.held_ports[0].holder.as_str()),
        (2, "container web of stack other")
    );
    assert_eq!((view.instances, view.capacity), (2, None));
}

/// A host by number, with what varies.
fn any_host(number: usize) -> impl Strategy<Value = HostView> {
    let state = prop_oneof![3 => Just(HostState::Ready), 1 => Just(HostState::Unknown), 1 => Just(HostState::Down)];
    let own = proptest::collection::vec((0..4_usize, 0..3_u32), 0..3);
    (state, proptest::bool::weighted(0.2), 0..6_usize, own, proptest::bool::ANY).prop_map(
        move |(state, cordoned, instances, own, busy)| {
            let taken = held("0.0.0.0", 8000, "container x");
            with(&format!("vm{number}"), |host| {
                host.state = state;
                host.cordoned = cordoned;
                host.instances = instances;
                host.own = own.iter().map(|(n, s)| (ContainerName::new(format!("c{n}")).unwrap(), Slot(*s))).collect();
                host.held_ports = if busy { vec![taken] } else { Vec::new() };
            })
        },
    )
}

fn any_hosts() -> impl Strategy<Value = Vec<HostView>> {
    (0..6_usize).prop_flat_map(|count| (0..count).map(any_host).collect::<Vec<_>>())
}

fn any_stack() -> impl Strategy<Value = StackSpec> {
    let strategy = prop_oneof![
        Just(PlacementStrategy::Together),
        Just(PlacementStrategy::Manual),
        Just(PlacementStrategy::Spread)
    ];
    let parts = (0..4_u32, proptest::option::of(0..3_u16), proptest::option::weighted(0.3, 0..6_usize));
    (strategy, proptest::collection::vec(parts, 1..5), proptest::collection::vec(0..6_usize, 0..3)).prop_map(
        |(strategy, containers, constraints)| {
            let containers = containers.into_iter().enumerate().map(|(number, (replicas, fixed, named))| {
                let mut spec = container(&format!("c{number}"));
                spec.replicas = replicas;
                spec.ports = fixed.map(|offset| port(8000 + offset)).into_iter().collect();
                spec.host = named.map(|number| id(&format!("vm{number}")));
                spec
            });
            let mut spec = stack(strategy, containers.collect::<Vec<_>>());
            spec.host_constraints = constraints.into_iter().map(|number| id(&format!("vm{number}"))).collect();
            spec
        },
    )
}

proptest! {
    /// Every wanted instance is answered exactly once, in order, and the order of the hosts does not matter.
    #[test]
    fn every_instance_is_answered_once_and_alike(spec in any_stack(), hosts in any_hosts()) {
        let answer = place(&spec, &hosts);
        let mut backwards = hosts.clone();
        backwards.reverse();
        prop_assert_eq!(&place(&spec, &backwards), &answer);

        let mut answered: Vec<_> = answer.placed.iter().map(|p| (&p.container, p.slot)).collect();
        answered.extend(answer.refused.iter().map(|refusal| (&refusal.container, refusal.slot)));
        answered.sort();
        let wanted = spec.containers.iter().flat_map(|c| (0..c.replicas).map(move |slot| (&c.name, Slot(slot))));
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort();
        prop_assert_eq!(answered, wanted);
    }

    /// Constraints, names and ports are never broken, and a host of our own choice answers.
    #[test]
    fn no_placement_breaks_a_rule(spec in any_stack(), hosts in any_hosts()) {
        let answer = place(&spec, &hosts);
        for (index, placement) in answer.placed.iter().enumerate() {
            let container = spec.container(&placement.container).unwrap();
            let host = hosts.iter().find(|host| host.id == placement.agent);
            prop_assert!(host.is_some(), "{} is not known", placement.agent);
            let host = host.unwrap();
            prop_assert!(spec.host_constraints.is_empty() || spec.host_constraints.contains(&host.id));
            match spec.host_of(container) {
                Some(named) => prop_assert_eq!(named, &host.id),
                None => prop_assert!(host.state == HostState::Ready || !host.own.is_empty()),
            }
            for other in &answer.placed[..index] {
                let theirs = spec.container(&other.container).unwrap();
                let clash = container.ports.iter().any(|port| theirs.ports.iter().any(|p| p.clashes_with(port)));
                prop_assert!(other.agent != placement.agent || !clash);
            }
        }
    }

    /// On hosts that are all free, no host has two more than another.
    #[test]
    fn spread_is_even_where_every_host_is_free(count in 1..6_usize, replicas in proptest::collection::vec(0..6_u32, 1..5)) {
        let hosts: Vec<_> = (0..count).map(|number| host(&format!("vm{number}"))).collect();
        let containers = replicas.iter().enumerate().map(|(number, replicas)| {
            ContainerSpec { replicas: *replicas, ..container(&format!("c{number}")) }
        });
        let answer = place(&spread(containers.collect::<Vec<_>>()), &hosts);
        let on = |host: &HostView| answer.placed.iter().filter(|p| p.agent == host.id).count();
        let counts: Vec<_> = hosts.iter().map(on).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
    }

    /// What was placed once stays there when it is placed again.
    #[test]
    fn placing_again_moves_nothing(spec in any_stack(), hosts in any_hosts()) {
        let first = place(&spec, &hosts);
        let settled: Vec<_> = hosts.into_iter().map(|mut host| {
            let here = first.placed.iter().filter(|p| p.agent == host.id);
            host.own = here.map(|p| (p.container.clone(), p.slot)).collect();
            host
        }).collect();
        let again = place(&spec, &settled);
        for placement in &first.placed {
            let same = again.placed.iter().find(|p| p.container == placement.container && p.slot == placement.slot);
            prop_assert_eq!(same.map(|p| &p.agent), Some(&placement.agent));
        }
    }
}
