//! The network: names and addresses that fit each other.

use std::net::IpAddr;

use ipnet::IpNet;

use super::container::{is_plain, labels};
use super::{MAX_NETWORK_BYTES, Problems};
use crate::id::MAX_NAME_LENGTH;
use crate::stack::NetworkSpec;

/// Drivers that name something which is not a network of ours to make.
const UNSUPPORTED: [&str; 3] = ["overlay", "host", "none"];

pub(super) fn check(network: &NetworkSpec, problems: &mut Problems) {
    if !network.external && !is_plain(&network.name, MAX_NAME_LENGTH) {
        let rule = "it begins with a letter or digit and holds letters, digits, '_', '.' and '-', at most 63";
        problems.add("network.name", format!("network name {:?} is not valid: {rule}", network.name));
    }
    if network.external && network.name.is_empty() {
        problems.add("network.name", "an external network needs its name on the engine");
    }
    if UNSUPPORTED.contains(&network.driver.as_str()) || network.driver.is_empty() {
        let message = format!("network driver {:?} is not supported: use bridge", network.driver);
        problems.add("network.driver", message);
    }
    labels(&network.labels, "network.labels", problems);
    let bytes = serde_json::to_vec(network).map_or(0, |json| json.len());
    if bytes > MAX_NETWORK_BYTES {
        problems.add("network", format!("the network has {bytes} bytes as JSON: at most {MAX_NETWORK_BYTES}"));
    }
    addresses(network, problems);
}

fn addresses(network: &NetworkSpec, problems: &mut Problems) {
    let subnet = network.subnet.as_deref().and_then(|subnet| range("network.subnet", subnet, problems));
    let ip_range = network.ip_range.as_deref().and_then(|text| range("network.ipRange", text, problems));
    if network.subnet.is_none() && (network.gateway.is_some() || network.ip_range.is_some()) {
        problems.add("network", "gateway and ipRange are parts of a subnet: give `subnet` too");
    }
    if let Some(gateway) = &network.gateway {
        match (gateway.parse::<IpAddr>(), &subnet) {
            (Err(_), _) => problems.add("network.gateway", format!("{gateway:?} is no IP address")),
            (Ok(address), Some(subnet)) if !subnet.contains(&address) => {
                problems.add("network.gateway", format!("gateway {address} is outside the subnet {subnet}"));
            }
            (Ok(_), _) => {}
        }
    }
    if let (Some(part), Some(subnet)) = (ip_range, subnet)
        && !subnet.contains(&part)
    {
        problems.add("network.ipRange", format!("{part} is outside the subnet {subnet}"));
    }
}

fn range(path: &str, text: &str, problems: &mut Problems) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(net) if net.addr() == net.network() => Some(net),
        Ok(net) => {
            problems.add(path, format!("{text} has bits set beyond its prefix: did you mean {}?", net.trunc()));
            None
        }
        Err(_) => {
            problems.add(path, format!("{text:?} is no address range: write one such as 172.20.0.0/16"));
            None
        }
    }
}
