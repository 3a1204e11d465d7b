//! What the engine itself has, found by label: nobody's word is taken for it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use graphium_core::deploy::{ContainerFilter, Runtime, RuntimeContainer, label};
use graphium_core::id::InstallationId;
use graphium_core::stack::InstanceState;
use tokio::time::Instant;

use super::engine::Engine;
use super::page;
use super::site::{Site, SiteContainer};

/// A container that was looked at and visited.
#[derive(Debug)]
pub(super) struct Visited {
    pub(super) container: SiteContainer,
    pub(super) answer: String,
    pub(super) time: Duration,
}

/// The labels of everything of an installation.
pub(super) fn labels(installation: InstallationId) -> BTreeMap<String, String> {
    [(label::MANAGED, "true".to_owned()), (label::INSTALLATION, installation.to_string())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Every container of the installation, whatever it does.
pub(super) async fn containers(
    runtime: &dyn Runtime,
    installation: InstallationId,
) -> anyhow::Result<Vec<RuntimeContainer>> {
    Ok(runtime.list(&ContainerFilter { labels: labels(installation) }).await?)
}

/// The containers of one host.
pub(super) async fn containers_on(
    runtime: &dyn Runtime,
    installation: InstallationId,
    host: &str,
) -> anyhow::Result<Vec<RuntimeContainer>> {
    let mut found = containers(runtime, installation).await?;
    found.retain(|container| container.labels.get(label::HOST).is_some_and(|of| of == host));
    Ok(found)
}

/// Whether the engine has exactly the declared containers: one on each host, running, with the environment that the
/// definition says, and none besides.
pub(super) async fn exactly_declared(
    engine: &Engine,
    installation: InstallationId,
    site: &Site,
    greeting: &str,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let runtime = engine.runtime();
    let found = containers(&*runtime, installation).await?;
    ensure!(
        found.len() == site.containers.len(),
        "the engine has {} containers where {} are declared: {}",
        found.len(),
        site.containers.len(),
        found.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ")
    );
    let mut names = BTreeMap::new();
    for declared in &site.containers {
        let is_it = |container: &&RuntimeContainer| {
            let says = |name: &str, value: &str| container.labels.get(name).is_some_and(|label| label == value);
            says(label::HOST, declared.host) && says(label::CONTAINER, &declared.name)
        };
        let listed = found.iter().find(is_it);
        let listed = listed.with_context(|| format!("{} is not on {}", declared.name, declared.host))?;
        let container = runtime.inspect(&listed.id).await?;
        let inspected = container.with_context(|| format!("{} vanished while it was looked at", listed.name))?;
        let container = inspected.container;
        if container.state != InstanceState::Running {
            bail!("{} is {} instead of running", container.name, container.state);
        }
        let has = inspected.env.get(page::GREETING).map_or("", String::as_str);
        ensure!(has == greeting, "{} has {}={has:?} instead of {greeting:?}", container.name, page::GREETING);
        names.insert(declared.host, container.name);
    }
    Ok(names)
}

/// Fetches every page and compares it with what it must say.
pub(super) async fn visit(engine: &Engine, site: &Site, greeting: &str) -> anyhow::Result<Vec<Visited>> {
    let mut visited = Vec::with_capacity(site.containers.len());
    for container in &site.containers {
        let began = Instant::now();
        let answer = engine.fetch(container.address).await?;
        let time = began.elapsed();
        let expected = container.expected_page(greeting);
        ensure!(answer == expected, "http://{}/ answers {answer:?} instead of {expected:?}", container.address);
        visited.push(Visited { container: container.clone(), answer, time });
    }
    Ok(visited)
}

/// Whether nothing of the installation is left: no container, no network, no volume.
pub(super) async fn nothing_left(runtime: &dyn Runtime, installation: InstallationId) -> anyhow::Result<()> {
    let labels = labels(installation);
    let mut left: Vec<String> = Vec::new();
    let containers = containers(runtime, installation).await?;
    left.extend(containers.into_iter().map(|container| format!("container {}", container.name)));
    left.extend(runtime.networks(&labels).await?.into_iter().map(|network| format!("network {}", network.name)));
    left.extend(runtime.volumes(&labels).await?.into_iter().map(|volume| format!("volume {}", volume.name)));
    ensure!(left.is_empty(), "still there: {}", left.join(", "));
    Ok(())
}
