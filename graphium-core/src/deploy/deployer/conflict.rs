//! Who holds what we want: the only place that reads the objects of others, and only to name them.

use super::EngineDeployer;
use crate::deploy::{ContainerFilter, DeployError, DeployErrorKind, InstanceLabels, RuntimeContainer, label};
use crate::stack::{PortSpec, PublishedPort};

impl EngineDeployer {
    /// A name conflict that says who has the name.
    pub(super) async fn explain_name(&self, name: &str, refused: DeployError) -> DeployError {
        let holder = match self.named(name).await {
            Ok(Some(holder)) => self.in_words(&holder.container),
            Ok(None) => "a container that is gone meanwhile".to_owned(),
            Err(unknown) => format!("a container that cannot be looked at ({unknown})"),
        };
        let message = format!(
            "the container name {name} is held by {holder}; it is left alone: rename or remove it, or choose another \
             containerName"
        );
        DeployError::new(DeployErrorKind::NameConflict, message).caused_by(refused).in_step("create")
    }

    /// A port conflict that says which port and who holds it. `own` is the container that could not start.
    pub(super) async fn explain_port(&self, ports: &[PortSpec], own: &str, refused: DeployError) -> DeployError {
        let wanted: Vec<_> = ports.iter().filter(|port| port.host_port.is_some()).collect();
        let all = match self.runtime.list(&ContainerFilter::default()).await {
            Ok(all) => all,
            Err(unknown) => return refused.noting(format!("its holder is unknown: {unknown}")),
        };
        let others = all.iter().filter(|container| container.id != own);
        let held = others
            .flat_map(|container| container.ports.iter().map(move |port| (container, port)))
            .find(|(_, held)| wanted.iter().any(|port| meets(port, held)));
        let (port, holder) = match held {
            Some((container, port)) => (Some(port.host_port), self.in_words(container)),
            None => {
                let named = wanted.iter().filter_map(|port| port.host_port).find(|port| names(&refused, *port));
                let only = wanted.first().filter(|_| wanted.len() == 1).and_then(|port| port.host_port);
                (named.or(only), "a process outside the engine".to_owned())
            }
        };
        let port = port.map_or_else(|| "a host port".to_owned(), |port| format!("host port {port}"));
        let message = format!("{port} is held by {holder}; stop that or choose another hostPort");
        DeployError::new(DeployErrorKind::PortConflict, message).caused_by(refused).in_step("start")
    }

    /// A container by what people know it by.
    fn in_words(&self, container: &RuntimeContainer) -> String {
        let name = &container.name;
        if let Some(InstanceLabels { stack, container, slot, .. }) = self.labels_of(container) {
            let stack = stack.map(|stack| format!(" of stack {stack}")).unwrap_or_default();
            return format!("container {name} (instance {container}/{slot}{stack} of this host)");
        }
        match (container.labels.get(label::INSTALLATION), container.labels.get(label::HOST)) {
            (Some(installation), Some(host)) => {
                format!("container {name} of host {host} of Graphium installation {installation}")
            }
            _ => format!("container {name} (image {}), which is not Graphium's", container.image),
        }
    }
}

/// Whether a published port stands in the way of a wanted one.
fn meets(wanted: &PortSpec, held: &PublishedPort) -> bool {
    let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0" || ip == "::";
    let ip = wanted.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
    wanted.host_port == Some(held.host_port)
        && wanted.protocol == held.protocol
        && (any(&ip) || any(&held.host_ip) || ip == held.host_ip)
}

/// Whether the engine's message names this port.
fn names(error: &DeployError, port: u16) -> bool {
    let text = format!("{error}{}", std::error::Error::source(error).map(ToString::to_string).unwrap_or_default());
    let marker = format!(":{port}");
    text.match_indices(&marker).any(|(at, _)| !text[at + marker.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Protocol;

    #[test]
    fn a_port_is_found_in_the_message_of_an_engine_and_not_as_part_of_another() {
        let text =
            "driver failed programming external connectivity: Bind for 0.0.0.0:8080 failed: port is already allocated";
        let error = DeployError::new(DeployErrorKind::PortConflict, text);
        assert!(names(&error, 8080));
        assert!(!names(&error, 80));
    }

    #[test]
    fn two_addresses_of_one_port_do_not_meet_and_every_address_meets_all() {
        let wanted = |ip: Option<&str>| PortSpec {
            container_port: 80,
            host_port: Some(8080),
            protocol: Protocol::Tcp,
            host_ip: ip.map(|ip| ip.parse().unwrap()),
        };
        let held =
            PublishedPort { container_port: 80, host_port: 8080, protocol: Protocol::Tcp, host_ip: "127.0.0.1".into() };
        assert!(meets(&wanted(None), &held));
        assert!(meets(&wanted(Some("127.0.0.1")), &held));
        assert!(!meets(&wanted(Some("127.0.0.2")), &held));
    }
}
