//! A container in Docker's terms.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointSettings, HealthConfig, HostConfig, Mount, MountType,
    NetworkingConfig, PortBinding, PortMap, RestartPolicy as DockerRestartPolicy, RestartPolicyNameEnum,
};

use crate::deploy::{ContainerConfig, RuntimeMount};
use crate::stack::{HealthCheck, HealthProbe, PortSpec, ResourceLimits, RestartPolicy};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Docker counts CPU in billionths of a core, we in thousandths.
const NANO_CPUS_PER_MILLI: u64 = 1_000_000;
/// Docker's own default: memory and as much swap again.
const SWAP_FACTOR: u64 = 2;

pub(super) fn create_body(config: &ContainerConfig) -> ContainerCreateBody {
    let unless_empty = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    ContainerCreateBody {
        image: Some(config.image.clone()),
        entrypoint: unless_empty(&config.entrypoint),
        cmd: unless_empty(&config.command),
        env: Some(config.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(config.labels.clone().into_iter().collect()),
        working_dir: config.working_dir.clone(),
        user: config.user.clone(),
        exposed_ports: Some(config.ports.iter().map(port_key).collect()),
        healthcheck: config.health_check.as_ref().and_then(health_config),
        stop_timeout: Some(i64::from(config.stop_timeout)),
        host_config: Some(host_config(config)),
        networking_config: config.network.as_ref().map(|attachment| {
            let endpoint =
                EndpointSettings { aliases: Some(attachment.aliases.clone()), ..EndpointSettings::default() };
            NetworkingConfig { endpoints_config: Some(HashMap::from([(attachment.network.clone(), endpoint)])) }
        }),
        ..ContainerCreateBody::default()
    }
}

fn host_config(config: &ContainerConfig) -> HostConfig {
    HostConfig {
        memory: config.limits.memory_bytes.map(signed),
        nano_cpus: config.limits.cpu_millis.map(nano_cpus),
        memory_reservation: config.reservations.memory_bytes.map(signed),
        port_bindings: Some(port_bindings(&config.ports)),
        mounts: Some(config.mounts.iter().map(mount).collect()),
        restart_policy: Some(restart_policy(config.restart_policy)),
        network_mode: config.network.as_ref().map(|attachment| attachment.network.clone()),
        ..HostConfig::default()
    }
}

pub(super) fn update_body(restart: Option<RestartPolicy>, limits: Option<ResourceLimits>) -> ContainerUpdateBody {
    let limits = limits.unwrap_or_default();
    ContainerUpdateBody {
        memory: limits.memory_bytes.map(signed),
        // Docker refuses a memory limit above the swap limit that it derived from the old one.
        memory_swap: limits.memory_bytes.map(|bytes| signed(bytes.saturating_mul(SWAP_FACTOR))),
        nano_cpus: limits.cpu_millis.map(nano_cpus),
        restart_policy: restart.map(restart_policy),
        ..ContainerUpdateBody::default()
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn nano_cpus(millis: u64) -> i64 {
    signed(millis.saturating_mul(NANO_CPUS_PER_MILLI))
}

fn port_key(port: &PortSpec) -> String {
    format!("{}/{}", port.container_port, port.protocol)
}

/// A port number that the engine is to choose is asked for at the IPv4 addresses alone: for both families it chooses one
/// number each, which may differ, and then the number of one is somebody else's in the other.
fn port_bindings(ports: &[PortSpec]) -> PortMap {
    let mut bindings = PortMap::new();
    for port in ports {
        let chosen_by_engine = port.host_port.is_none().then(|| Ipv4Addr::UNSPECIFIED.to_string());
        let binding = PortBinding {
            host_ip: port.host_ip.map(|ip| ip.to_string()).or(chosen_by_engine),
            host_port: Some(port.host_port.map(|number| number.to_string()).unwrap_or_default()),
        };
        bindings.entry(port_key(port)).or_insert_with(|| Some(Vec::new())).get_or_insert_default().push(binding);
    }
    bindings
}

fn mount(mount: &RuntimeMount) -> Mount {
    let (typ, source, target, read_only) = match mount {
        RuntimeMount::Volume { name, target, read_only } => (MountType::VOLUME, Some(name), target, *read_only),
        RuntimeMount::Bind { path, target, read_only } => (MountType::BIND, Some(path), target, *read_only),
        RuntimeMount::Tmpfs { target } => (MountType::TMPFS, None, target, false),
    };
    Mount {
        typ: Some(typ),
        source: source.cloned(),
        target: Some(target.clone()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn restart_policy(policy: RestartPolicy) -> DockerRestartPolicy {
    let (name, most) = match policy {
        // Docker reads no retries as retries without end.
        RestartPolicy::No | RestartPolicy::OnFailure { max_retries: 0 } => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::OnFailure { max_retries } => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(max_retries))),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    DockerRestartPolicy { name: Some(name), maximum_retry_count: most }
}

fn health_config(check: &HealthCheck) -> Option<HealthConfig> {
    let HealthProbe::Exec { command } = &check.probe else {
        return None;
    };
    let nanos = |seconds: u32| Some(i64::from(seconds) * NANOS_PER_SECOND);
    Some(HealthConfig {
        test: Some(command.clone()),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        retries: Some(i64::from(check.retries)),
        start_period: nanos(check.start_period),
        start_interval: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Protocol;

    #[test]
    fn seconds_of_a_check_become_the_nanoseconds_of_docker() {
        let probe = HealthProbe::Exec { command: vec!["CMD".into(), "true".into()] };
        let check = HealthCheck { probe, interval: 10, timeout: 5, retries: 3, start_period: 40 };
        let config = health_config(&check).unwrap();
        assert_eq!((config.interval, config.timeout), (Some(10_000_000_000), Some(5_000_000_000)));
        assert_eq!((config.retries, config.start_period), (Some(3), Some(40_000_000_000)));
    }

    #[test]
    fn half_a_core_is_half_a_billion() {
        assert_eq!(nano_cpus(500), 500_000_000);
    }

    #[test]
    fn no_retries_never_become_retries_without_end() {
        let policy = restart_policy(RestartPolicy::OnFailure { max_retries: 0 });
        assert_eq!(policy.name, Some(RestartPolicyNameEnum::NO));
    }

    #[test]
    fn one_container_port_may_be_published_twice() {
        let port = |host_port| PortSpec { container_port: 80, host_port, protocol: Protocol::Tcp, host_ip: None };
        let bindings = port_bindings(&[port(Some(8080)), port(None)]);
        let hosts: Vec<_> = bindings["80/tcp"].as_ref().unwrap().iter().map(|b| b.host_port.clone().unwrap()).collect();
        assert_eq!(hosts, ["8080", ""]);
    }

    #[test]
    fn a_port_that_the_engine_chooses_has_one_number() {
        let port = |host_port, ip: Option<&str>| PortSpec {
            container_port: 80,
            host_port,
            protocol: Protocol::Tcp,
            host_ip: ip.map(|ip| ip.parse().unwrap()),
        };
        let bindings = port_bindings(&[port(None, None), port(Some(8080), None), port(None, Some("::1"))]);
        let addresses: Vec<_> = bindings["80/tcp"].as_ref().unwrap().iter().map(|b| b.host_ip.clone()).collect();
        assert_eq!(addresses, [Some("0.0.0.0".into()), None, Some("::1".into())]);
    }
}
