//! The hash of a spec: two specs with the same hash need no new container.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{ContainerSpec, HealthCheck, MountSpec, NetworkSpec, PortSpec};

/// The version of the hash's form. A change of form gets a new number, so that an upgrade alone never
/// replaces a container.
pub const SPEC_HASH_VERSION: u32 = 1;

/// What needs a new container when it changes. Restart policy and limits are changed in place,
/// placement and dependencies are not the container's own.
#[derive(Serialize)]
struct Hashed<'a> {
    image: &'a str,
    container_name: &'a Option<String>,
    entrypoint: &'a [String],
    command: Vec<&'a String>,
    env: &'a BTreeMap<String, String>,
    ports: Vec<&'a PortSpec>,
    mounts: &'a [MountSpec],
    labels: &'a BTreeMap<String, String>,
    working_dir: &'a Option<String>,
    user: &'a Option<String>,
    health_check: &'a Option<HealthCheck>,
    network: Option<(&'a str, bool)>,
}

/// The versioned canonical hash of a container spec on a network: `1:` and 32 hex digits.
///
/// SHA-256 over canonical JSON (maps sorted, ports in order of number), cut to 128 bits. Insensitive to
/// the order of ports, variables and labels and to how defaults were written.
#[must_use]
pub fn spec_hash(spec: &ContainerSpec, network: Option<&NetworkSpec>) -> String {
    let mut ports: Vec<_> = spec.ports.iter().collect();
    ports.sort();
    let hashed = Hashed {
        image: &spec.image,
        container_name: &spec.container_name,
        entrypoint: &spec.entrypoint,
        command: spec.command.iter().chain(&spec.args).collect(),
        env: &spec.env,
        ports,
        mounts: &spec.mounts,
        labels: &spec.labels,
        working_dir: &spec.working_dir,
        user: &spec.user,
        health_check: &spec.health_check,
        network: network.map(|network| (network.name.as_str(), network.external)),
    };
    let canonical = serde_json::to_vec(&hashed).expect("strings, numbers and maps with string keys are JSON");
    format!("{SPEC_HASH_VERSION}:{}", hex::encode(&Sha256::digest(canonical)[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContainerName;
    use crate::stack::{Protocol, RestartPolicy};

    fn web() -> ContainerSpec {
        ContainerSpec::new(ContainerName::new("web").unwrap(), "web:1")
    }

    fn port(container_port: u16) -> PortSpec {
        PortSpec { container_port, host_port: None, protocol: Protocol::Tcp, host_ip: None }
    }

    #[test]
    fn the_order_of_ports_does_not_matter() {
        let (mut one, mut other) = (web(), web());
        one.ports = vec![port(80), port(443)];
        other.ports = vec![port(443), port(80)];
        assert_eq!(spec_hash(&one, None), spec_hash(&other, None));
    }

    #[test]
    fn what_is_changed_in_place_does_not_matter() {
        let mut other = web();
        other.restart_policy = RestartPolicy::Always;
        other.resources.limits.memory_bytes = Some(1 << 20);
        assert_eq!(spec_hash(&web(), None), spec_hash(&other, None));
    }

    #[test]
    fn another_image_or_variable_or_network_matters() {
        let mut image = web();
        image.image = "web:2".into();
        let mut env = web();
        env.env.insert("LOG".into(), "debug".into());

        let same = spec_hash(&web(), None);
        assert_ne!(spec_hash(&image, None), same);
        assert_ne!(spec_hash(&env, None), same);
        assert_ne!(spec_hash(&web(), Some(&NetworkSpec::bridge("net"))), same);
    }
}
