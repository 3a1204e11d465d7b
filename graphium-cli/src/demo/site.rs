//! The stack that the demo deploys: the shape of a real multi-host stack file, with ports that are free now.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::image::EXECUTABLE;
use super::page;

/// The stack's name.
pub(super) const STACK: &str = "demo";
/// The hosts, one container on each.
pub(super) const HOSTS: [&str; 3] = ["localhost-docker", "vm1", "vm2"];

/// What stands where.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// The image.
    pub(super) image: String,
    /// Whether the engine runs health checks.
    pub(super) checked: bool,
    /// The containers, one for each host.
    pub(super) containers: Vec<SiteContainer>,
}

/// One container of the stack.
#[derive(Debug, Clone)]
pub(super) struct SiteContainer {
    pub(super) name: String,
    pub(super) host: &'static str,
    pub(super) address: SocketAddr,
}

impl SiteContainer {
    /// What its page must say.
    pub(super) fn expected_page(&self, greeting: &str) -> String {
        format!("{greeting} from {} on {}", self.name, self.host)
    }
}

impl Site {
    /// A site on ports that nobody holds at this moment.
    pub(super) fn on_free_ports(image: impl Into<String>, checked: bool) -> anyhow::Result<Self> {
        // All are held together, so that no two are the same.
        let held: Vec<TcpListener> = HOSTS
            .iter()
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .context("no free port on 127.0.0.1")?;
        let containers = HOSTS
            .iter()
            .zip(&held)
            .enumerate()
            .map(|(index, (host, listener))| {
                let address = listener.local_addr()?;
                Ok(SiteContainer { name: format!("web-{}", index + 1), host, address })
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { image: image.into(), checked, containers })
    }

    /// The definition, as a user would write it into a file.
    pub(super) fn definition(&self, greeting: &str) -> Value {
        json!({
            "@context": ["https://schema.org", { "datacenter": "https://graphium.io/vocab/datacenter#" }],
            "@graph": [{
                "@id": format!("stack:{STACK}"),
                "@type": ["datacenter:Stack", "SoftwareApplication"],
                "name": STACK,
                "description": "One web container on each of three hosts",
                "deployment": { "mode": "multi-host", "placementStrategy": "manual", "networkMode": "host-port" },
                "hasPart": self.containers.iter().map(|container| self.part(container, greeting)).collect::<Vec<_>>(),
            }],
        })
    }

    fn part(&self, container: &SiteContainer, greeting: &str) -> Value {
        let mut part = json!({
            "@id": format!("container:{}", container.name),
            "@type": "SoftwareApplication",
            "name": container.name,
            "image": self.image,
            "locatedInHost": { "@id": container.host },
            "ports": [{
                "containerPort": page::PORT,
                "hostPort": container.address.port(),
                "protocol": "tcp",
                "hostIP": container.address.ip(),
            }],
            "environment": {
                page::GREETING: greeting,
                page::INSTANCE: container.name,
                page::HOST: container.host,
            },
            "restartPolicy": "unless-stopped",
        });
        if self.checked {
            part["healthCheck"] = json!({
                "command": ["CMD", EXECUTABLE, "demo-page", "--check"],
                "interval": 1,
                "timeout": 5,
                "retries": 5,
            });
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_host_has_one_container_on_a_port_of_its_own() {
        let site = Site::on_free_ports("graphium-demo:1", true).unwrap();
        let ports: BTreeSet<_> = site.containers.iter().map(|container| container.address.port()).collect();
        assert_eq!(ports.len(), HOSTS.len());
        let parts = &site.definition("hello")["@graph"][0]["hasPart"];
        for (index, host) in HOSTS.iter().enumerate() {
            assert_eq!(parts[index]["locatedInHost"]["@id"], *host);
        }
    }
}
