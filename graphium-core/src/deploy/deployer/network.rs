//! The network of a stack on this host.

use std::collections::BTreeMap;

use super::{EngineDeployer, go_on};
use crate::deploy::{DeployError, DeployErrorKind, NetworkConfig, NetworkInfo, StepContext, label};
use crate::id::StackName;
use crate::stack::NetworkSpec;

const STEP: &str = "network";

impl EngineDeployer {
    /// Makes sure that the network is there and answers with how containers are joined to it.
    pub(super) async fn ensure_network(
        &self,
        stack: Option<&StackName>,
        spec: &NetworkSpec,
        context: &StepContext,
        warnings: &mut Vec<String>,
    ) -> Result<String, DeployError> {
        go_on(context, STEP)?;
        let ensured = if spec.external {
            self.external_network(spec).await
        } else {
            self.own_network(stack, spec, warnings).await
        };
        ensured.map_err(|error| error.in_step(STEP))
    }

    async fn external_network(&self, spec: &NetworkSpec) -> Result<String, DeployError> {
        let all = self.runtime.networks(&BTreeMap::new()).await?;
        if all.iter().any(|network| network.name == spec.name) {
            return Ok(spec.name.clone());
        }
        let message = format!(
            "external network {} is not on host {}; external networks are never made here, so make it there first",
            spec.name, self.owner.host
        );
        Err(DeployError::new(DeployErrorKind::NotFound, message))
    }

    async fn own_network(
        &self,
        stack: Option<&StackName>,
        spec: &NetworkSpec,
        warnings: &mut Vec<String>,
    ) -> Result<String, DeployError> {
        let name = self.owner.object_name(stack, &spec.name);
        let _turn = self.networks.hold(&name).await;
        let labels = self.network_labels(stack, spec);
        if let Some(network) = self.oldest(&labels).await? {
            return Ok(network);
        }
        if !spec.create_if_not_exists {
            let message = format!(
                "network {} is not on host {} and must not be made (createIfNotExists is false)",
                spec.name, self.owner.host
            );
            return Err(DeployError::new(DeployErrorKind::NotFound, message));
        }
        self.create_network(name, labels, spec, warnings).await
    }

    async fn create_network(
        &self,
        name: String,
        labels: BTreeMap<String, String>,
        spec: &NetworkSpec,
        warnings: &mut Vec<String>,
    ) -> Result<String, DeployError> {
        let mut config = wanted(name, labels, spec)?;
        // Engines before API 1.44 would make a second network of the name.
        if self.runtime.networks(&BTreeMap::new()).await?.iter().any(|network| network.name == config.name) {
            return Err(foreign(&config.name));
        }
        let mut created = self.runtime.create_network(&config).await;
        if let (Some(subnet), Err(error)) = (&config.subnet, &created)
            && error.kind() == DeployErrorKind::AddressConflict
        {
            warnings.push(format!(
                "network {}: subnet {subnet} is left out, since it overlaps another network of the engine ({error})",
                spec.name
            ));
            config = NetworkConfig { subnet: None, gateway: None, ip_range: None, ..config };
            created = self.runtime.create_network(&config).await;
        }
        match created {
            Ok(_) => Ok(config.name),
            // Another process of this host was quicker, or somebody else has the name.
            Err(error) if error.kind() == DeployErrorKind::NameConflict => {
                self.oldest(&config.labels).await?.ok_or_else(|| foreign(&config.name).caused_by(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The network with these labels; the oldest where an engine let several be made.
    async fn oldest(&self, labels: &BTreeMap<String, String>) -> Result<Option<String>, DeployError> {
        let mut found = self.runtime.networks(&self.labels_to_find(labels)).await?;
        // A filter cannot ask for the absence of the stack's label.
        found.retain(|network| network.labels.get(label::STACK) == labels.get(label::STACK));
        found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        let several = found.len() > 1;
        let reference = |network: NetworkInfo| if several { network.id } else { network.name };
        Ok(found.into_iter().next().map(reference))
    }

    /// Of the labels of a network those that say which it is; the user's may have changed.
    fn labels_to_find(&self, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut wanted = self.owner.labels();
        for name in [label::STACK, label::NETWORK] {
            if let Some(value) = labels.get(name) {
                wanted.insert(name.to_owned(), value.clone());
            }
        }
        wanted
    }

    fn network_labels(&self, stack: Option<&StackName>, spec: &NetworkSpec) -> BTreeMap<String, String> {
        let mut labels = spec.labels.clone();
        labels.extend(self.owner.labels());
        labels.insert(label::NETWORK.to_owned(), spec.name.clone());
        if let Some(stack) = stack {
            labels.insert(label::STACK.to_owned(), stack.to_string());
        }
        labels
    }
}

fn foreign(name: &str) -> DeployError {
    let message = format!(
        "a network {name} exists that does not belong to this host of this installation; it is left alone: \
         remove or rename it, or declare the network external"
    );
    DeployError::new(DeployErrorKind::NameConflict, message)
}

fn wanted(name: String, labels: BTreeMap<String, String>, spec: &NetworkSpec) -> Result<NetworkConfig, DeployError> {
    let gateway = spec.gateway.as_deref().map(str::parse).transpose().map_err(|_| {
        let gateway = spec.gateway.as_deref().unwrap_or_default();
        let message = format!("network {}: gateway {gateway:?} is no IP address", spec.name);
        DeployError::new(DeployErrorKind::Invalid, message)
    })?;
    Ok(NetworkConfig {
        name,
        driver: spec.driver.clone(),
        subnet: spec.subnet.clone(),
        gateway,
        ip_range: spec.ip_range.clone(),
        options: spec.options.clone(),
        labels,
    })
}
