//! The state of the memory engine and the rules that an engine enforces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::container::{MemoryContainer, Phase};
use super::image::MemoryImage;
use crate::deploy::{
    ContainerConfig, DeployError, DeployErrorKind, ImageInfo, NetworkConfig, NetworkInfo, RuntimeMount, VolumeInfo,
};
use crate::stack::{PortSpec, PublishedPort};

/// The first host port that the engine chooses by itself.
const FIRST_FREE_PORT: u16 = 32768;

/// A sort of call to an engine, for letting one fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineCall {
    /// What engine it is.
    Engine,
    /// Looking for an image on the host.
    Image,
    /// Pulling an image.
    Pull,
    /// Making a container.
    Create,
    /// Starting a container.
    Start,
    /// Stopping a container.
    Stop,
    /// Removing a container.
    Remove,
    /// Changing a container in place.
    Update,
    /// Renaming a container.
    Rename,
    /// Looking at one container.
    Inspect,
    /// Listing containers.
    List,
    /// Reading what a container wrote.
    Logs,
    /// Making a network.
    CreateNetwork,
    /// Listing networks.
    Networks,
    /// Removing a network.
    RemoveNetwork,
    /// Making a volume.
    CreateVolume,
    /// Listing volumes.
    Volumes,
    /// Removing a volume.
    RemoveVolume,
}

#[derive(Debug, Default)]
pub(super) struct MemoryEngine {
    registry: BTreeMap<String, (u32, MemoryImage)>,
    images: BTreeMap<String, (ImageInfo, MemoryImage)>,
    pub(super) containers: BTreeMap<String, MemoryContainer>,
    pub(super) networks: BTreeMap<String, NetworkInfo>,
    pub(super) volumes: BTreeMap<String, VolumeInfo>,
    pub(super) faults: Vec<(EngineCall, DeployErrorKind)>,
    pub(super) occupied_ports: BTreeSet<u16>,
    pub(super) unavailable: bool,
    pub(super) calls: u64,
    /// The version that whoever watches these labels has heard of.
    pub(super) heard: BTreeMap<BTreeMap<String, String>, u64>,
    made: u64,
}

impl MemoryEngine {
    /// Counts a call, lets the scripts catch up, and fails where a fault waits.
    pub(super) fn enter(&mut self, call: EngineCall, now: Instant) -> Result<(), DeployError> {
        self.calls += 1;
        self.catch_up(now);
        if self.unavailable {
            let message = "the memory engine does not answer: it was told to be unavailable";
            return Err(DeployError::new(DeployErrorKind::Unavailable, message));
        }
        match self.faults.iter().position(|(fault, _)| *fault == call) {
            Some(position) => {
                let (_, kind) = self.faults.remove(position);
                Err(DeployError::new(kind, format!("the memory engine was told to let {call:?} fail")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn catch_up(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for container in self.containers.values_mut() {
            changed |= container.catch_up(now);
        }
        changed
    }

    pub(super) fn publish(&mut self, reference: &str, image: MemoryImage) {
        let revision = self.registry.get(reference).map_or(1, |(revision, _)| revision + 1);
        self.registry.insert(reference.to_owned(), (revision, image));
    }

    pub(super) fn published(&self, reference: &str) -> MemoryImage {
        self.registry.get(reference).map(|(_, image)| image.clone()).unwrap_or_default()
    }

    pub(super) fn fetch(&mut self, reference: &str) {
        let (revision, image) = self.registry.get(reference).cloned().unwrap_or_default();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(format!("{reference}#{revision}"))));
        let info = ImageInfo { digests: vec![format!("{reference}@{digest}")], id: digest };
        self.images.insert(reference.to_owned(), (info, image));
    }

    pub(super) fn image(&self, reference: &str) -> Option<ImageInfo> {
        self.images.get(reference).map(|(info, _)| info.clone())
    }

    pub(super) fn find(&self, id_or_name: &str) -> Option<&MemoryContainer> {
        let named = || self.containers.values().find(|c| c.config.name == id_or_name);
        self.containers.get(id_or_name).or_else(named).or_else(|| {
            // Docker also takes the beginning of an id, where only one begins so.
            let mut begun = self.containers.values().filter(|c| !id_or_name.is_empty() && c.id.starts_with(id_or_name));
            begun.next().filter(|_| begun.next().is_none())
        })
    }

    pub(super) fn find_mut(&mut self, id_or_name: &str) -> Option<&mut MemoryContainer> {
        let id = self.find(id_or_name)?.id.clone();
        self.containers.get_mut(&id)
    }

    fn refuse_taken_name(&self, name: &str) -> Result<(), DeployError> {
        if self.containers.values().any(|container| container.config.name == name) {
            let message = format!("the container name {name} is already in use");
            return Err(DeployError::new(DeployErrorKind::NameConflict, message));
        }
        Ok(())
    }

    fn next_id(&mut self) -> String {
        self.made += 1;
        // Reversed, so that ids differ from their beginning on, as an engine's do.
        format!("{:012x}", self.made).chars().rev().collect()
    }

    pub(super) fn create(&mut self, config: &ContainerConfig) -> Result<String, DeployError> {
        let Some((info, image)) = self.images.get(&config.image).cloned() else {
            let message = format!("no such image on this host: {}", config.image);
            return Err(DeployError::new(DeployErrorKind::ImageNotFound, message));
        };
        self.refuse_taken_name(&config.name)?;
        if let Some(attachment) = &config.network {
            let known = |network: &NetworkInfo| [&network.name, &network.id].contains(&&attachment.network);
            if !self.networks.values().any(known) {
                let message = format!("network {} not found", attachment.network);
                return Err(DeployError::new(DeployErrorKind::NotFound, message));
            }
        }
        let id = self.next_id();
        let container = MemoryContainer {
            id: id.clone(),
            config: config.clone(),
            image_id: info.id,
            image,
            phase: Phase::Created,
            restart_count: 0,
            starts: 0,
            ports: Vec::new(),
            lines: Vec::new(),
        };
        self.containers.insert(id.clone(), container);
        Ok(id)
    }

    pub(super) fn rename(&mut self, id: &str, name: &str) -> Result<(), DeployError> {
        self.refuse_taken_name(name)?;
        match self.find_mut(id) {
            Some(container) => container.config.name = name.to_owned(),
            None => return Err(no_such_container(id)),
        }
        Ok(())
    }

    pub(super) fn start(&mut self, id: &str, now: Instant) -> Result<(), DeployError> {
        let Some(container) = self.find(id) else {
            return Err(no_such_container(id));
        };
        if container.is_running() {
            return Ok(());
        }
        let wanted = container.config.ports.clone();
        let mut ports = Vec::with_capacity(wanted.len());
        for port in &wanted {
            ports.push(self.publish_port(port, &ports)?);
        }
        if let Some(container) = self.find_mut(id) {
            container.ports = ports;
            container.restart_count = 0;
            container.run(now);
            container.catch_up(now);
        }
        Ok(())
    }

    fn publish_port(&self, port: &PortSpec, beside: &[PublishedPort]) -> Result<PublishedPort, DeployError> {
        let held = |number: u16| {
            let clash = |p: &PublishedPort| p.host_port == number && p.protocol == port.protocol && overlaps(p, port);
            self.occupied_ports.contains(&number)
                || beside.iter().any(clash)
                || self.containers.values().filter(|c| c.is_running()).flat_map(|c| &c.ports).any(clash)
        };
        let host_port = match port.host_port {
            Some(number) if held(number) => {
                let message = format!("the address 0.0.0.0:{number} is already in use");
                return Err(DeployError::new(DeployErrorKind::PortConflict, message));
            }
            Some(number) => number,
            None => (FIRST_FREE_PORT..=u16::MAX).find(|number| !held(*number)).ok_or_else(|| {
                DeployError::new(DeployErrorKind::Exhausted, "the memory engine has no free host port left")
            })?,
        };
        let host_ip = port.host_ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
        Ok(PublishedPort { container_port: port.container_port, host_port, protocol: port.protocol, host_ip })
    }

    pub(super) fn end_process(&mut self, name: &str, exit_code: i64) -> bool {
        let now = Instant::now();
        match self.find_mut(name).filter(|container| container.is_running()) {
            Some(container) => {
                container.end(now, exit_code);
                true
            }
            None => false,
        }
    }

    pub(super) fn answer(&mut self, host_port: u16, now: Instant) -> Option<String> {
        self.catch_up(now);
        let behind = |c: &&MemoryContainer| c.is_running() && c.ports.iter().any(|port| port.host_port == host_port);
        let container = self.containers.values().find(behind)?;
        let env = container.config.env.iter().map(|(name, value)| format!("{name}={value}\n"));
        Some(format!("{}\n{}", container.config.name, env.collect::<String>()))
    }

    pub(super) fn create_network(&mut self, config: &NetworkConfig) -> Result<String, DeployError> {
        if self.networks.values().any(|network| network.name == config.name) {
            let message = format!("network with name {} already exists", config.name);
            return Err(DeployError::new(DeployErrorKind::NameConflict, message));
        }
        if let Some(subnet) = &config.subnet {
            let range = range_of(subnet)?;
            let mut taken = self.networks.values().flat_map(|network| &network.subnets);
            let clash = |other: &&String| range_of(other).is_ok_and(|other| range.0 <= other.1 && other.0 <= range.1);
            if let Some(other) = taken.find(clash) {
                let message = format!("the subnet {subnet} overlaps {other}");
                return Err(DeployError::new(DeployErrorKind::AddressConflict, message));
            }
        }
        let id = self.next_id();
        let network = NetworkInfo {
            id: id.clone(),
            name: config.name.clone(),
            labels: config.labels.clone(),
            subnets: config.subnet.clone().into_iter().collect(),
            created_at: id.clone(),
        };
        self.networks.insert(id.clone(), network);
        Ok(id)
    }

    pub(super) fn remove_network(&mut self, id: &str) -> Result<(), DeployError> {
        let Some(network) = self.networks.get(id) else {
            return Ok(());
        };
        let joined = |c: &&MemoryContainer| {
            let attachment = c.config.network.as_ref();
            c.is_up() && attachment.is_some_and(|a| a.network == network.name || a.network == network.id)
        };
        if let Some(container) = self.containers.values().find(joined) {
            let message = format!("network {} is still used by container {}", network.name, container.config.name);
            return Err(DeployError::new(DeployErrorKind::InUse, message));
        }
        self.networks.remove(id);
        Ok(())
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> Result<(), DeployError> {
        let mounts = |c: &&MemoryContainer| {
            let named = |mount: &RuntimeMount| matches!(mount, RuntimeMount::Volume { name: of, .. } if of == name);
            c.config.mounts.iter().any(named)
        };
        if let Some(container) = self.containers.values().find(mounts) {
            let message = format!("volume {name} is still used by container {}", container.config.name);
            return Err(DeployError::new(DeployErrorKind::InUse, message));
        }
        self.volumes.remove(name);
        Ok(())
    }
}

pub(super) fn no_such_container(id: &str) -> DeployError {
    DeployError::new(DeployErrorKind::NotFound, format!("no such container: {id}"))
}

fn overlaps(published: &PublishedPort, wanted: &PortSpec) -> bool {
    let wanted = wanted.host_ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
    published.host_ip == wanted || published.host_ip == "0.0.0.0" || wanted == "0.0.0.0"
}

/// The first and last address of an IPv4 range.
fn range_of(cidr: &str) -> Result<(u32, u32), DeployError> {
    let refuse = || DeployError::new(DeployErrorKind::Invalid, format!("{cidr} is no IPv4 range such as 10.0.0.0/24"));
    let (address, length) = cidr.split_once('/').ok_or_else(refuse)?;
    let address: Ipv4Addr = address.parse().map_err(|_| refuse())?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32).ok_or_else(refuse)?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    let first = u32::from(address) & mask;
    Ok((first, first | !mask))
}
