//! The ports that are taken on one host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{PortSpec, Protocol};

/// Who has which port of a host. Asking costs the logarithm of what is there, however a definition was made.
#[derive(Debug)]
pub(crate) struct HostPorts<O> {
    taken: BTreeMap<(u16, Protocol), Owners<O>>,
}

/// Who has one number: on every address, or on some.
#[derive(Debug)]
struct Owners<O> {
    everywhere: Option<O>,
    at: BTreeMap<IpAddr, O>,
}

impl<O> Default for HostPorts<O> {
    fn default() -> Self {
        Self { taken: BTreeMap::new() }
    }
}

impl<O> HostPorts<O> {
    /// Who has a port that this one cannot be beside; see [`PortSpec::clashes_with`].
    pub(crate) fn owner(&self, port: &PortSpec) -> Option<&O> {
        let owners = self.taken.get(&(port.host_port?, port.protocol))?;
        let here = match port.host_ip.filter(|ip| !ip.is_unspecified()) {
            Some(ip) => owners.at.get(&ip),
            None => owners.at.values().next(),
        };
        owners.everywhere.as_ref().or(here)
    }

    /// Takes a port, from whoever had it. One that the engine chooses takes nothing.
    pub(crate) fn take(&mut self, port: &PortSpec, owner: O) {
        let Some(number) = port.host_port else { return };
        let free = || Owners { everywhere: None, at: BTreeMap::new() };
        let owners = self.taken.entry((number, port.protocol)).or_insert_with(free);
        match port.host_ip.filter(|ip| !ip.is_unspecified()) {
            Some(ip) => drop(owners.at.insert(ip, owner)),
            None => owners.everywhere = Some(owner),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_port() -> impl Strategy<Value = PortSpec> {
        let host_ip = prop_oneof![
            Just(None),
            Just(Some("0.0.0.0".parse().unwrap())),
            Just(Some("::".parse().unwrap())),
            Just(Some("127.0.0.1".parse().unwrap())),
            Just(Some("10.0.0.1".parse().unwrap()))
        ];
        let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
        (proptest::option::of(1..3_u16), protocol, host_ip).prop_map(|(host_port, protocol, host_ip)| PortSpec {
            container_port: 80,
            host_port,
            protocol,
            host_ip,
        })
    }

    proptest! {
        #[test]
        fn there_is_an_owner_exactly_where_two_ports_clash(
            taken in proptest::collection::vec(any_port(), 0..6),
            wanted in any_port(),
        ) {
            let mut ports = HostPorts::default();
            for port in &taken {
                ports.take(port, ());
            }
            let clashes = taken.iter().any(|port| port.clashes_with(&wanted));
            prop_assert_eq!(ports.owner(&wanted).is_some(), clashes);
        }
    }
}
