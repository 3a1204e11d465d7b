//! What Docker answers, in our types.

use std::collections::HashMap;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryHealthStatusEnum,
    ContainerSummaryStateEnum, HealthStatusEnum, HostConfig, Mount, MountType, Network, PortMap, PortSummary,
    PortSummaryTypeEnum, RestartPolicy as DockerRestartPolicy, RestartPolicyNameEnum,
};

use crate::deploy::{Inspection, NetworkInfo, RuntimeContainer, RuntimeMount};
use crate::stack::{Health, InstanceState, Protocol, PublishedPort, ResourceLimits, RestartPolicy};

/// Of an ended container whose code the engine does not tell.
const UNKNOWN_EXIT_CODE: i64 = -1;
const NANO_CPUS_PER_MILLI: i64 = 1_000_000;

/// A container as a list shows it.
pub(super) fn summary(summary: ContainerSummary) -> RuntimeContainer {
    let status = summary.status.unwrap_or_default();
    let names = summary.names.unwrap_or_default();
    RuntimeContainer {
        id: summary.id.unwrap_or_default(),
        // A link adds names with more than one slash.
        name: names.iter().map(|name| name.trim_start_matches('/')).find(|n| !n.contains('/')).unwrap_or("").to_owned(),
        image: summary.image.unwrap_or_default(),
        image_id: summary.image_id.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        state: listed_state(summary.state, &status),
        health: match summary.health.and_then(|health| health.status) {
            Some(ContainerSummaryHealthStatusEnum::STARTING) => Health::Starting,
            Some(ContainerSummaryHealthStatusEnum::HEALTHY) => Health::Healthy,
            Some(ContainerSummaryHealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
            Some(ContainerSummaryHealthStatusEnum::NONE) => Health::None,
            // Engines before API 1.52 tell it in the status for people only.
            Some(ContainerSummaryHealthStatusEnum::EMPTY) | None => listed_health(&status),
        },
        ports: listed_ports(&summary.ports.unwrap_or_default()),
    }
}

fn listed_state(state: Option<ContainerSummaryStateEnum>, status: &str) -> InstanceState {
    match state {
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING) => InstanceState::Running,
        Some(ContainerSummaryStateEnum::PAUSED) => InstanceState::Paused,
        Some(ContainerSummaryStateEnum::RESTARTING) => InstanceState::Restarting,
        Some(ContainerSummaryStateEnum::EXITED) => InstanceState::Exited { exit_code: listed_exit_code(status) },
        Some(ContainerSummaryStateEnum::REMOVING) => InstanceState::Removing,
        Some(ContainerSummaryStateEnum::DEAD) => InstanceState::Dead,
        Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY) | None => InstanceState::Created,
    }
}

/// From `Exited (137) 3 seconds ago`.
fn listed_exit_code(status: &str) -> i64 {
    let code = status.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(code, _)| code.parse());
    code.and_then(Result::ok).unwrap_or(UNKNOWN_EXIT_CODE)
}

/// From `Up 3 seconds (healthy)`.
fn listed_health(status: &str) -> Health {
    if status.contains("(healthy)") {
        Health::Healthy
    } else if status.contains("(unhealthy)") {
        Health::Unhealthy
    } else if status.contains("(health: starting)") {
        Health::Starting
    } else {
        Health::None
    }
}

fn listed_ports(ports: &[PortSummary]) -> Vec<PublishedPort> {
    let published = ports.iter().filter_map(|port| {
        Some(PublishedPort {
            container_port: port.private_port,
            host_port: port.public_port?,
            protocol: match port.typ {
                Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
                Some(PortSummaryTypeEnum::SCTP) => Protocol::Sctp,
                Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY) | None => Protocol::Tcp,
            },
            host_ip: port.ip.clone().unwrap_or_default(),
        })
    });
    each_once(published.collect())
}

/// Sorted, and without the IPv6 twin that Docker lists beside each port of every address.
fn each_once(mut ports: Vec<PublishedPort>) -> Vec<PublishedPort> {
    let everywhere: Vec<_> = ports.iter().filter(|port| port.host_ip == "0.0.0.0").cloned().collect();
    let is_twin = |port: &PublishedPort| {
        port.host_ip == "::"
            && everywhere.iter().any(|v4| PublishedPort { host_ip: "::".into(), ..v4.clone() } == *port)
    };
    ports.retain(|port| !is_twin(port));
    ports.sort();
    ports.dedup();
    ports
}

/// A container in full.
pub(super) fn inspection(found: ContainerInspectResponse) -> Inspection {
    let state = found.state.unwrap_or_default();
    let config = found.config.unwrap_or_default();
    let host = found.host_config.unwrap_or_default();
    let network = found.network_settings.unwrap_or_default();
    let health = state.health.clone().unwrap_or_default();
    let last_failure = health.log.unwrap_or_default().into_iter().rev().find(|result| result.exit_code != Some(0));
    let engine_word = match (state.oom_killed, state.error.as_deref()) {
        (Some(true), _) => Some("it was killed, since it used more memory than it may".to_owned()),
        (_, Some(error)) if !error.is_empty() => Some(error.to_owned()),
        _ => None,
    };
    let exit_code = state.exit_code.unwrap_or(UNKNOWN_EXIT_CODE);
    let container = RuntimeContainer {
        id: found.id.unwrap_or_default(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: found.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state: inspected_state(state.status, exit_code),
        health: match health.status {
            Some(HealthStatusEnum::STARTING) => Health::Starting,
            Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
            Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Health::None,
        },
        ports: inspected_ports(network.ports.unwrap_or_default()),
    };
    let mut networks: Vec<_> = network.networks.unwrap_or_default().into_keys().collect();
    networks.sort();
    Inspection {
        container,
        detail: last_failure.and_then(|result| result.output).or(engine_word),
        restart_count: found.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        started_at: state.started_at.map(|at| at.to_string()),
        env: config.env.unwrap_or_default().iter().map(|line| variable(line)).collect(),
        command: found.path.into_iter().chain(found.args.unwrap_or_default()).collect(),
        mounts: host.mounts.iter().flatten().filter_map(mount).collect(),
        restart_policy: restart_policy(host.restart_policy.as_ref()),
        limits: limits(&host),
        networks,
    }
}

fn inspected_state(status: Option<ContainerStateStatusEnum>, exit_code: i64) -> InstanceState {
    match status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => InstanceState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => InstanceState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => InstanceState::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => InstanceState::Exited { exit_code },
        Some(ContainerStateStatusEnum::REMOVING) => InstanceState::Removing,
        Some(ContainerStateStatusEnum::DEAD) => InstanceState::Dead,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => InstanceState::Created,
    }
}

fn variable(line: &str) -> (String, String) {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    (name.to_owned(), value.to_owned())
}

fn inspected_ports(ports: PortMap) -> Vec<PublishedPort> {
    let published = ports.into_iter().flat_map(|(key, bindings)| {
        bindings.unwrap_or_default().into_iter().filter_map(move |binding| {
            let (container_port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
            Some(PublishedPort {
                container_port: container_port.parse().ok()?,
                host_port: binding.host_port?.parse().ok()?,
                protocol: match protocol {
                    "udp" => Protocol::Udp,
                    "sctp" => Protocol::Sctp,
                    _ => Protocol::Tcp,
                },
                host_ip: binding.host_ip.unwrap_or_default(),
            })
        })
    });
    each_once(published.collect())
}

fn mount(mount: &Mount) -> Option<RuntimeMount> {
    let (source, target) = (mount.source.clone().unwrap_or_default(), mount.target.clone()?);
    let read_only = mount.read_only.unwrap_or(false);
    match mount.typ {
        Some(MountType::VOLUME) => Some(RuntimeMount::Volume { name: source, target, read_only }),
        Some(MountType::BIND) => Some(RuntimeMount::Bind { path: source, target, read_only }),
        Some(MountType::TMPFS) => Some(RuntimeMount::Tmpfs { target }),
        Some(MountType::CLUSTER | MountType::IMAGE | MountType::NPIPE) | None => None,
    }
}

fn restart_policy(policy: Option<&DockerRestartPolicy>) -> RestartPolicy {
    let most = policy.and_then(|policy| policy.maximum_retry_count).and_then(|count| u32::try_from(count).ok());
    match policy.and_then(|policy| policy.name) {
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure { max_retries: most.unwrap_or(0) },
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => RestartPolicy::No,
    }
}

/// Docker writes 0 for no limit.
fn limits(host: &HostConfig) -> ResourceLimits {
    let positive = |amount: Option<i64>| amount.and_then(|amount| u64::try_from(amount).ok()).filter(|n| *n > 0);
    ResourceLimits {
        cpu_millis: positive(host.nano_cpus.map(|nanos| nanos / NANO_CPUS_PER_MILLI)),
        memory_bytes: positive(host.memory),
    }
}

/// A network.
pub(super) fn network(network: Network) -> NetworkInfo {
    let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    NetworkInfo {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        labels: labels(network.labels),
        subnets: ranges.into_iter().filter_map(|range| range.subnet).collect(),
        created_at: network.created.map(|at| at.to_string()).unwrap_or_default(),
    }
}

fn labels(labels: Option<HashMap<String, String>>) -> std::collections::BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_for_people_tells_exit_code_and_health() {
        assert_eq!(listed_exit_code("Exited (137) 3 seconds ago"), 137);
        assert_eq!(listed_exit_code("Exited"), UNKNOWN_EXIT_CODE);
        assert_eq!(listed_health("Up 3 seconds (healthy)"), Health::Healthy);
        assert_eq!(listed_health("Up 2 minutes (unhealthy)"), Health::Unhealthy);
        assert_eq!(listed_health("Up 1 second (health: starting)"), Health::Starting);
        assert_eq!(listed_health("Up 1 second"), Health::None);
    }

    #[test]
    fn a_port_that_is_published_on_every_address_is_one_port() {
        let port = |ip: &str| PublishedPort {
            container_port: 80,
            host_port: 8080,
            protocol: Protocol::Tcp,
            host_ip: ip.into(),
        };
        assert_eq!(each_once(vec![port("::"), port("0.0.0.0")]), [port("0.0.0.0")]);
        assert_eq!(each_once(vec![port("::")]), [port("::")]);
    }

    #[test]
    fn a_variable_may_hold_equal_signs_or_nothing() {
        assert_eq!(variable("A=b=c"), ("A".into(), "b=c".into()));
        assert_eq!(variable("A"), ("A".into(), String::new()));
    }
}
