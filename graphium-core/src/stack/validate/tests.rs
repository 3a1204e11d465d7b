use super::*;
use crate::id::{ContainerName, StackName};
use crate::stack::{
    ContainerSpec, Dependency, DependencyCondition, HealthCheck, HealthProbe, MAX_REPLICAS, MountSource, MountSpec,
    NetworkSpec, PortSpec, Protocol, RestartPolicy,
};

fn container(name: &str) -> ContainerSpec {
    ContainerSpec::new(ContainerName::new(name).unwrap(), "nginx")
}

fn stack(containers: impl IntoIterator<Item = ContainerSpec>) -> StackSpec {
    StackSpec {
        name: StackName::new("shop").unwrap(),
        description: None,
        comment: None,
        strategy: PlacementStrategy::Together,
        host_constraints: Vec::new(),
        host: None,
        network: None,
        containers: containers.into_iter().collect(),
    }
}

fn host(id: &str) -> Option<AgentId> {
    Some(AgentId::new(id).unwrap())
}

fn port(host_port: u16) -> PortSpec {
    PortSpec { container_port: 80, host_port: Some(host_port), protocol: Protocol::Tcp, host_ip: None }
}

fn needs(container: &mut ContainerSpec, other: &str, condition: Option<DependencyCondition>) {
    container.depends_on.push(Dependency { container: ContainerName::new(other).unwrap(), condition });
}

/// The one problem of a spec.
fn only(spec: &StackSpec) -> Problem {
    let mut problems = validate(spec);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

fn changed(change: impl FnOnce(&mut ContainerSpec)) -> StackSpec {
    let mut web = container("web");
    change(&mut web);
    stack([web])
}

#[test]
fn a_plain_stack_has_no_problem() {
    assert_eq!(validate(&stack([container("web"), container("db")])), []);
}

#[test]
fn a_stack_without_containers_is_refused() {
    assert_eq!(only(&stack([])).path, "containers");
}

#[test]
fn two_containers_of_one_name_are_refused() {
    let problem = only(&stack([container("web"), container("web")]));
    assert_eq!(problem.path, "containers[1].name");
    assert!(problem.message.contains("containers[0]"));
}

#[test]
fn the_limits_hold_at_their_edges() {
    let many = |count: usize| stack((0..count).map(|n| container(&format!("c{n}"))));
    assert_eq!(validate(&many(MAX_CONTAINERS)), []);
    assert!(only(&many(MAX_CONTAINERS + 1)).message.contains("at most 500"));

    assert_eq!(validate(&changed(|web| web.replicas = MAX_REPLICAS)), []);
    let messages: Vec<_> =
        validate(&changed(|web| web.replicas = MAX_REPLICAS + 1)).into_iter().map(|p| p.message).collect();
    assert!(messages.iter().any(|message| message.contains("replicas are too many")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("instances are too many")), "{messages:?}");

    let sized = |bytes: usize| changed(|web| drop(web.env.insert("A".into(), "x".repeat(bytes))));
    assert_eq!(validate(&sized(MAX_CONTAINER_BYTES - 1024)), []);
    assert!(only(&sized(MAX_CONTAINER_BYTES)).message.contains("at most"));

    let networked = |bytes: usize| {
        let mut network = NetworkSpec::bridge("net");
        network.options.insert("a".into(), "x".repeat(bytes));
        StackSpec { network: Some(network), ..stack([container("web")]) }
    };
    assert_eq!(validate(&networked(MAX_NETWORK_BYTES - 1024)), []);
    assert_eq!(only(&networked(MAX_NETWORK_BYTES)).path, "network");
}

/// The health check of a container, which gets one that is good.
fn check(container: &mut ContainerSpec) -> &mut HealthCheck {
    let probe = HealthProbe::Tcp { port: 80 };
    container.health_check.get_or_insert(HealthCheck { probe, interval: 1, timeout: 1, retries: 1, start_period: 0 })
}

#[test]
fn a_period_that_no_task_could_wait_for_is_refused_by_its_path() {
    type Edit = fn(&mut ContainerSpec, u32);
    let cases: [(&str, u32, Edit); 6] = [
        ("stopTimeout", 86_400, |web, value| web.stop_timeout = value),
        ("minUptimeSeconds", 86_400, |web, value| web.min_uptime_seconds = value),
        ("healthCheck.interval", 86_400, |web, value| check(web).interval = value),
        ("healthCheck.timeout", 86_400, |web, value| check(web).timeout = value),
        ("healthCheck.startPeriod", 86_400, |web, value| check(web).start_period = value),
        ("healthCheck.retries", 1000, |web, value| check(web).retries = value),
    ];
    for (field, most, edit) in cases {
        let spec = |value| changed(|web| edit(web, value));
        assert_eq!(validate(&spec(most)), [], "{field}");
        for value in [most + 1, u32::MAX] {
            assert_eq!(only(&spec(value)).path, format!("containers[0].{field}"));
        }
    }
}

#[test]
fn a_dependency_on_nothing_names_what_there_is() {
    let mut web = container("web");
    needs(&mut web, "cache", None);
    let problem = only(&stack([web, container("db")]));
    assert_eq!(problem.path, "containers[0].dependsOn[0]");
    assert!(problem.message.contains("no container cache in the stack; there are: db, web"), "{problem}");
}

#[test]
fn a_circle_of_dependencies_is_named() {
    let (mut a, mut b, mut c) = (container("a"), container("b"), container("c"));
    needs(&mut a, "b", None);
    needs(&mut b, "c", None);
    needs(&mut c, "b", None);
    assert!(only(&stack([a, b, c])).message.contains("b → c → b"));

    let mut own = container("own");
    needs(&mut own, "own", None);
    assert!(only(&stack([own])).message.contains("own → own"));
}

#[test]
fn a_long_chain_of_dependencies_is_no_circle() {
    let mut containers: Vec<_> = (0..MAX_CONTAINERS).map(|n| container(&format!("c{n}"))).collect();
    for (n, container) in containers.iter_mut().enumerate().skip(1) {
        needs(container, &format!("c{}", n - 1), None);
    }
    assert_eq!(validate(&stack(containers)), []);
}

#[test]
fn a_condition_that_can_never_be_met_is_refused() {
    let after = |condition, change: fn(&mut ContainerSpec)| {
        let (mut db, mut web) = (container("db"), container("web"));
        change(&mut db);
        needs(&mut web, "db", Some(condition));
        only(&stack([db, web])).message
    };
    assert!(after(DependencyCondition::Healthy, |_| ()).contains("no health check"));
    let always = |db: &mut ContainerSpec| db.restart_policy = RestartPolicy::Always;
    assert!(after(DependencyCondition::Completed, always).contains("never completes"));
    assert!(after(DependencyCondition::Started, |db| db.replicas = 0).contains("no replicas"));
}

#[test]
fn a_host_port_twice_on_one_host_names_the_other() {
    let (mut a, mut b) = (container("a"), container("b"));
    a.ports = vec![port(8080)];
    b.ports = vec![port(8080)];
    let problem = only(&stack([a.clone(), b.clone()]));
    assert_eq!(problem.path, "containers[1].ports[0]");
    assert!(problem.message.contains("8080/tcp is taken by container a"));

    a.host = host("vm1");
    b.host = host("vm2");
    assert_eq!(validate(&stack([a.clone(), b.clone()])), []);

    (a.host, b.host) = (None, None);
    let mut scattered = stack([a, b]);
    scattered.strategy = PlacementStrategy::Spread;
    assert_eq!(validate(&scattered), []);
}

#[test]
fn host_ports_clash_by_address_and_protocol() {
    let on = |ip: Option<&str>, protocol| PortSpec { host_ip: ip.map(|ip| ip.parse().unwrap()), protocol, ..port(53) };
    let everywhere = on(None, Protocol::Tcp);
    let local = on(Some("127.0.0.1"), Protocol::Tcp);
    assert!(everywhere.clashes_with(&local));
    assert!(local.clashes_with(&on(Some("0.0.0.0"), Protocol::Tcp)));
    assert!(!local.clashes_with(&on(Some("127.0.0.2"), Protocol::Tcp)));
    assert!(!everywhere.clashes_with(&on(None, Protocol::Udp)));
    let chosen = PortSpec { host_port: None, ..everywhere.clone() };
    assert!(!chosen.clashes_with(&chosen.clone()));
}

#[test]
fn replicas_with_a_fixed_host_port_are_refused_on_one_host_alone() {
    let mut spec = changed(|web| {
        web.replicas = 2;
        web.ports = vec![port(8080)];
    });
    assert_eq!(only(&spec).path, "containers[0].replicas");
    spec.strategy = PlacementStrategy::Spread;
    assert_eq!(validate(&spec), []);
}

#[test]
fn an_explicit_name_is_for_one_replica_alone() {
    let spec = changed(|web| {
        web.container_name = Some("my-web".into());
        web.replicas = 2;
    });
    assert_eq!(only(&spec).path, "containers[0].containerName");
    assert_eq!(only(&changed(|web| web.container_name = Some("a b".into()))).path, "containers[0].containerName");
}

#[test]
fn labels_of_graphium_are_not_the_users() {
    let own = |web: &mut ContainerSpec| drop(web.labels.insert("graphium.host".into(), "x".into()));
    assert_eq!(only(&changed(own)).path, "containers[0].labels.graphium.host");
    let mut spec = stack([container("web")]);
    let mut network = NetworkSpec::bridge("net");
    network.labels.insert("graphium.stack".into(), "x".into());
    spec.network = Some(network);
    assert_eq!(only(&spec).path, "network.labels.graphium.stack");
}

#[test]
fn a_variable_has_a_name_without_an_equals_sign() {
    for name in ["", "A=B", "A\0"] {
        let named = |web: &mut ContainerSpec| drop(web.env.insert(name.to_owned(), "x".into()));
        assert_eq!(only(&changed(named)).path, "containers[0].env");
    }
}

#[test]
fn mounts_have_absolute_places_that_differ() {
    let bind = |path: &str, target: &str| MountSpec {
        source: MountSource::Bind { path: path.into() },
        target: target.into(),
        read_only: false,
    };
    let volume = |name: &str| MountSpec {
        source: MountSource::Volume { name: name.into(), driver: None, external: false },
        target: "/v".into(),
        read_only: false,
    };
    let with = |mounts: Vec<MountSpec>| changed(|web| web.mounts = mounts);
    assert_eq!(only(&with(vec![bind("/srv", "data")])).path, "containers[0].mounts[0].target");
    assert_eq!(only(&with(vec![bind("/srv", "/")])).path, "containers[0].mounts[0].target");
    assert_eq!(only(&with(vec![bind("srv", "/data")])).path, "containers[0].mounts[0]");
    assert_eq!(only(&with(vec![bind("/a", "/data"), bind("/b", "/data/")])).path, "containers[0].mounts[1]");
    assert!(only(&with(vec![volume("a/b")])).message.contains("\"a/b\""));
}

#[test]
fn a_health_check_that_cannot_work_is_refused() {
    let with = |probe, interval| {
        let check = HealthCheck { probe, interval, timeout: 1, retries: 1, start_period: 0 };
        validate(&changed(|web| web.health_check = Some(check)))
    };
    assert_eq!(with(HealthProbe::Tcp { port: 80 }, 1), []);
    assert_eq!(with(HealthProbe::Tcp { port: 80 }, 0).len(), 1);
    assert_eq!(with(HealthProbe::Tcp { port: 0 }, 1).len(), 1);
    assert_eq!(with(HealthProbe::Exec { command: vec!["CMD".into()] }, 1).len(), 1);
    assert_eq!(with(HealthProbe::Exec { command: vec!["wget".into()] }, 1).len(), 1);
    assert_eq!(with(HealthProbe::Http { port: 80, path: "x".into() }, 1).len(), 1);
}

#[test]
fn more_reserved_than_the_limit_is_refused() {
    let spec = changed(|web| {
        web.resources.limits.memory_bytes = Some(10);
        web.resources.reservations.memory_bytes = Some(11);
    });
    assert_eq!(only(&spec).path, "containers[0].resources");
    assert_eq!(only(&changed(|web| web.resources.limits.cpu_millis = Some(0))).path, "containers[0].resources");
}

#[test]
fn manual_placement_wants_a_host_for_every_container() {
    let mut web = container("web");
    web.host = host("vm1");
    let mut spec = stack([web, container("db")]);
    spec.strategy = PlacementStrategy::Manual;
    assert_eq!(only(&spec).path, "containers[1]");
    spec.host = host("vm2");
    assert_eq!(validate(&spec), []);
}

#[test]
fn a_host_outside_the_constraints_is_refused() {
    let mut spec = changed(|web| web.host = host("vm1"));
    spec.host_constraints = host("vm2").into_iter().collect();
    assert_eq!(only(&spec).path, "containers[0].host");
}

#[test]
fn addresses_of_a_network_fit_each_other() {
    let with = |subnet: Option<&str>, gateway: Option<&str>, ip_range: Option<&str>| {
        let mut spec = stack([container("web")]);
        let text = |value: Option<&str>| value.map(str::to_owned);
        let network = NetworkSpec {
            subnet: text(subnet),
            gateway: text(gateway),
            ip_range: text(ip_range),
            ..NetworkSpec::bridge("net")
        };
        spec.network = Some(network);
        validate(&spec).into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert!(with(Some("172.20.0.0/16"), Some("172.20.0.1"), Some("172.20.1.0/24")).is_empty());
    assert!(with(Some("fd00::/64"), Some("fd00::1"), None).is_empty());
    assert_eq!(with(Some("172.20.0.0"), None, None), ["network.subnet"]);
    assert_eq!(with(Some("172.20.0.1/16"), None, None), ["network.subnet"]);
    assert_eq!(with(Some("172.20.0.0/16"), Some("10.0.0.1"), None), ["network.gateway"]);
    assert_eq!(with(Some("172.20.0.0/16"), Some("gateway"), None), ["network.gateway"]);
    assert_eq!(with(Some("172.20.0.0/16"), None, Some("172.21.0.0/24")), ["network.ipRange"]);
    assert_eq!(with(None, Some("172.20.0.1"), None), ["network"]);
}
