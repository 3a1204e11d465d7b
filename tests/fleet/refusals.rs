//! What cannot be done is said at once, by name, and nothing of anybody else is touched.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use graphium_core::deploy::{ContainerConfig, Runtime};
use graphium_core::stack::{PortSpec, Protocol, ResourceLimits, RestartPolicy};
use graphium_tests::free_port;
use serde_json::Value;

use crate::process::{Fleet, items};
use crate::site::{Definition, Site};

/// A container of somebody else: no label of ours.
async fn stranger(site: &Site, name: &str, host_port: Option<u16>) -> anyhow::Result<String> {
    let config = ContainerConfig {
        name: name.to_owned(),
        image: site.image.clone(),
        entrypoint: Vec::new(),
        command: vec!["serve".into()],
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        working_dir: None,
        user: None,
        ports: vec![PortSpec { container_port: 80, host_port, protocol: Protocol::Tcp, host_ip: None }],
        mounts: Vec::new(),
        restart_policy: RestartPolicy::No,
        limits: ResourceLimits::default(),
        reservations: ResourceLimits::default(),
        health_check: None,
        stop_timeout: 1,
        network: None,
    };
    let id = site.engine.create(&config).await?;
    site.engine.start(&id).await?;
    Ok(id)
}

/// Deploys what must fail, and answers with the failed task.
pub(crate) async fn failure(fleet: &Fleet, definition: &Definition) -> anyhow::Result<Value> {
    let file = definition.file(fleet)?;
    let began = tokio::time::Instant::now();
    fleet.cli(&["stack", "deploy", &file]).await?.with_code(1)?;
    ensure!(began.elapsed().as_secs() < 30, "it took {:?}", began.elapsed());
    let tasks = fleet.get(&format!("/tasks?stackId={}&status=failed&limit=1000", definition.stack)).await?;
    let task = items(&tasks).next().context("a task has failed")?.clone();
    ensure!(task["attempt"] == 1 && task["retryCount"] == 0, "it was tried again: {task}");
    Ok(task)
}

pub(crate) async fn a_wrong_image_name_fails_at_once_and_is_not_tried_again() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&["host1"]).await?);
    let mut definition = site.definition(include_str!("stacks/simple.json"))?;
    let part = &mut definition.document["@graph"][0]["hasPart"][0];
    part["image"] = "graphium-fleet:no-such-tag".into();
    part["pullPolicy"] = "never".into();
    let task = failure(&fleet, &definition).await?;
    ensure!(task["error"]["code"] == "image_not_found", "{task}");
    ensure!(site.containers(&definition.stack).await?.is_empty(), "nothing was made");
    fleet.cli(&["stack", "remove", &definition.stack]).await?.succeeded()?;
    site.close().await
}

pub(crate) async fn a_taken_host_port_is_a_conflict_that_names_the_holder() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&["host1"]).await?);
    let (name, port) = (format!("{}-holder", site.image.replace(':', "-")), free_port()?);
    let holder = stranger(&site, &name, Some(port)).await?;
    let mut definition = site.definition(include_str!("stacks/simple.json"))?;
    definition.document["@graph"][0]["hasPart"][0]["ports"][0]["hostPort"] = port.into();
    let task = failure(&fleet, &definition).await;

    let still = site.engine.inspect(&holder).await?.context("the holder is still there")?;
    fleet.cli(&["stack", "remove", &definition.stack]).await?.succeeded()?;
    site.nothing_left(&definition.stack).await?;
    site.engine.remove(&holder, true, false).await?;
    let task = task?;
    ensure!(task["error"]["code"] == "port_conflict", "{task}");
    ensure!(task["error"]["message"].as_str().is_some_and(|message| message.contains(&name)), "{task}");
    ensure!(still.container.state == graphium_core::stack::InstanceState::Running, "{still:?}");
    site.close().await
}

pub(crate) async fn a_taken_name_is_a_conflict_and_its_holder_is_untouched() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&["host1"]).await?);
    let name = format!("{}-named", site.image.replace(':', "-"));
    let holder = stranger(&site, &name, None).await?;
    let before = site.engine.inspect(&holder).await?;
    let mut definition = site.definition(include_str!("stacks/simple.json"))?;
    definition.document["@graph"][0]["hasPart"][0]["containerName"] = name.clone().into();
    let task = failure(&fleet, &definition).await;

    let after = site.engine.inspect(&holder).await?;
    fleet.cli(&["stack", "remove", &definition.stack]).await?.succeeded()?;
    site.engine.remove(&holder, true, false).await?;
    let task = task?;
    ensure!(task["error"]["code"] == "name_conflict", "{task}");
    ensure!(task["error"]["message"].as_str().is_some_and(|message| message.contains(&name)), "{task}");
    ensure!(before == after, "the holder was touched: {before:?} {after:?}");
    site.close().await
}
