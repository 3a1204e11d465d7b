//! The ground of a story: the engine, the probe's image under a name of its own, and definitions with free ports.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use graphium_core::deploy::docker::DockerRuntime;
use graphium_core::deploy::{ContainerFilter, Inspection, Runtime, label};
use graphium_tests::free_port;
use serde_json::Value;

use crate::process::{Fleet, eventually};

/// The ports that the probe answers on, so that it can stand in for every part of every definition.
const PORTS: [u16; 6] = [80, 3000, 5432, 6379, 8001, 8002];

/// One story's image and stacks on the shared engine. Names carry the process and a number, so that stories
/// and runs never meet.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) engine: DockerRuntime,
    pub(crate) image: String,
    tag: String,
}

/// A definition with its free ports, as it is deployed.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The stack's name.
    pub(crate) stack: String,
    /// The definition as JSON.
    pub(crate) document: Value,
}

impl Site {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        static STORIES: AtomicU32 = AtomicU32::new(0);
        let tag = format!("{}-{}", std::process::id(), STORIES.fetch_add(1, Ordering::Relaxed));
        let engine = DockerRuntime::connect().await?;
        let image = format!("graphium-fleet:{tag}");
        graphium_tests::probe_image(&engine, &image, &PORTS, &["pg_isready"]).await?;
        Ok(Self { engine, image, tag })
    }

    /// A definition from a file of these tests, with this site's image, a stack name of its own and free ports.
    pub(crate) fn definition(&self, text: &str) -> anyhow::Result<Definition> {
        let mut document: Value = serde_json::from_str(text)?;
        let stack = &mut document["@graph"][0];
        let name = format!("{}-{}", stack["name"].as_str().context("a stack has a name")?, self.tag);
        stack["name"] = name.clone().into();
        for part in stack["hasPart"].as_array_mut().context("a stack has parts")? {
            part["image"] = self.image.clone().into();
            for ports in ["ports", "containerPort"] {
                for port in part[ports].as_array_mut().into_iter().flatten() {
                    port["hostPort"] = free_port()?.into();
                }
            }
        }
        Ok(Definition { stack: name, document })
    }

    /// The containers of a stack, whoever made them.
    pub(crate) async fn containers(&self, stack: &str) -> anyhow::Result<Vec<Inspection>> {
        let labels = BTreeMap::from([(label::STACK.to_owned(), stack.to_owned())]);
        let mut containers = Vec::new();
        for found in self.engine.list(&ContainerFilter { labels }).await? {
            containers.extend(self.engine.inspect(&found.id).await?);
        }
        Ok(containers)
    }

    /// Nothing of a stack is on the engine.
    pub(crate) async fn nothing_left(&self, stack: &str) -> anyhow::Result<()> {
        let labels = BTreeMap::from([(label::STACK.to_owned(), stack.to_owned())]);
        let containers = self.engine.list(&ContainerFilter { labels: labels.clone() }).await?;
        ensure!(containers.is_empty(), "containers of {stack} are left: {containers:?}");
        let networks = self.engine.networks(&labels).await?;
        ensure!(networks.is_empty(), "networks of {stack} are left: {networks:?}");
        Ok(())
    }

    /// Exactly the declared containers run, one each, and every declared port answers with its environment.
    pub(crate) async fn is_as_declared(&self, definition: &Definition) -> anyhow::Result<()> {
        let containers = self.containers(&definition.stack).await?;
        let parts = definition.parts();
        ensure!(
            containers.len() == parts.len(),
            "{} containers for {} parts: {containers:?}",
            containers.len(),
            parts.len()
        );
        for part in parts {
            let name = part["name"].as_str().context("a part has a name")?;
            let mut of_part =
                containers.iter().filter(|one| one.container.labels.get(label::CONTAINER).is_some_and(|is| is == name));
            let container = of_part.next().with_context(|| format!("no container of {name}"))?;
            ensure!(of_part.next().is_none(), "two containers of {name}");
            for (variable, value) in variables(part) {
                let there = container.env.get(&variable);
                ensure!(
                    value.contains("${") || there == Some(&value),
                    "{name}: {variable} is {there:?}, not {value:?}"
                );
            }
            for port in host_ports(part) {
                fetch(port).await.with_context(|| format!("port {port} of {name}"))?;
            }
        }
        Ok(())
    }

    /// Removes what the story made beside its stacks.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        Ok(self.engine.remove_image(&self.image).await?)
    }
}

impl Definition {
    pub(crate) fn parts(&self) -> &[Value] {
        self.document["@graph"][0]["hasPart"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Every declared host port.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.parts().iter().flat_map(host_ports).collect()
    }

    /// Writes it into the fleet's folder and answers with the path.
    pub(crate) fn file(&self, fleet: &Fleet) -> anyhow::Result<String> {
        fleet.write(&format!("{}.json", self.stack), &self.document.to_string())
    }
}

fn variables(part: &Value) -> BTreeMap<String, String> {
    let map = part["environment"].as_object().into_iter().flatten();
    let map = map.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let list = part["environmentVariable"].as_array().into_iter().flatten();
    let list = list.filter_map(|entry| Some((entry["name"].as_str()?.to_owned(), entry["value"].as_str()?.to_owned())));
    map.chain(list).collect()
}

fn host_ports(part: &Value) -> Vec<u16> {
    let lists = [&part["ports"], &part["containerPort"]];
    let ports = lists.into_iter().filter_map(Value::as_array).flatten();
    ports.filter_map(|port| port["hostPort"].as_u64()?.try_into().ok()).collect()
}

/// The page that a published port answers with.
pub(crate) async fn fetch(port: u16) -> anyhow::Result<String> {
    eventually(&format!("port {port} answers"), || async {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/")).await?;
        Ok(Some(answer.error_for_status()?.text().await?))
    })
    .await
}
