//! Definitions in, containers that answer out; and away again without a trace.

use std::collections::BTreeMap;

use anyhow::ensure;
use graphium_core::deploy::{Inspection, Runtime, label};

use crate::process::{Fleet, items};
use crate::site::{Definition, Site, fetch};

const HOSTS: [&str; 5] = ["localhost-docker", "vm1", "vm2", "host1", "host2"];

/// Each shape of definition, with the arguments it needs beside its file.
pub(crate) async fn every_shape_of_definition_deploys_as_declared_and_leaves_nothing() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&HOSTS).await?);
    let variables = fleet.write("variables.env", "JWT_SECRET='a \"quoted\" $ecret'\n")?;
    for text in [
        include_str!("stacks/simple.json"),
        include_str!("stacks/three-tier.json"),
        include_str!("stacks/services.json"),
        include_str!("stacks/manual.json"),
        include_str!("stacks/spread.json"),
    ] {
        let definition = site.definition(text)?;
        let file = definition.file(&fleet)?;
        fleet.cli(&["stack", "deploy", &file, "--env-file", &variables]).await?.succeeded()?;
        site.is_as_declared(&definition).await?;
        removed(&site, &fleet, &definition).await?;
    }
    site.close().await
}

/// A variable from a file reaches the container as it was written.
pub(crate) async fn a_variable_from_a_file_is_in_the_container_and_a_missing_one_is_refused() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&["host1", "host2"]).await?);
    let definition = site.definition(include_str!("stacks/services.json"))?;
    let file = definition.file(&fleet)?;
    let refused = fleet.cli(&["stack", "deploy", &file]).await?.with_code(1)?;
    ensure!(refused.stderr.contains("JWT_SECRET"), "{}", refused.stderr);

    let variables = fleet.write("variables.env", "JWT_SECRET=s3cret\n")?;
    fleet.cli(&["stack", "deploy", &file, "--env-file", &variables]).await?.succeeded()?;
    let auth = site.containers(&definition.stack).await?;
    let secrets: Vec<_> = auth.iter().filter_map(|container| container.env.get("JWT_SECRET")).collect();
    ensure!(secrets == ["s3cret"], "{secrets:?}");
    let expiry: Vec<_> = auth.iter().filter_map(|container| container.env.get("TOKEN_EXPIRY")).collect();
    ensure!(expiry == ["3600"], "{expiry:?}");
    removed(&site, &fleet, &definition).await?;
    site.close().await
}

/// Stop, start and restart act on every container and end as observed.
pub(crate) async fn a_stack_is_stopped_started_and_restarted() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&["localhost-docker", "vm1", "vm2"]).await?);
    let definition = site.definition(include_str!("stacks/manual.json"))?;
    let file = definition.file(&fleet)?;
    fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;

    fleet.cli(&["stack", "stop", &definition.stack]).await?.succeeded()?;
    let status = fleet.get(&format!("/stacks/{}", definition.stack)).await?;
    ensure!(status["status"] == "stopped", "{status}");
    for port in definition.ports() {
        ensure!(reqwest::get(format!("http://127.0.0.1:{port}/")).await.is_err(), "port {port} answers after the stop");
    }

    for verb in ["start", "restart"] {
        fleet.cli(&["stack", verb, &definition.stack]).await?.succeeded()?;
        for port in definition.ports() {
            fetch(port).await?;
        }
    }
    removed(&site, &fleet, &definition).await?;
    site.close().await
}

/// The second deployment of the same definition has nothing to do, and a change replaces what it names.
pub(crate) async fn a_second_deployment_touches_only_what_changed() -> anyhow::Result<()> {
    let (site, fleet) = (Site::open().await?, Fleet::start(&["localhost-docker", "vm1", "vm2"]).await?);
    let mut definition = site.definition(include_str!("stacks/manual.json"))?;
    let file = definition.file(&fleet)?;
    fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;
    let ids = |inspections: Vec<Inspection>| -> BTreeMap<String, String> {
        inspections.into_iter().map(|found| (found.container.name, found.container.id)).collect()
    };
    let before = ids(site.containers(&definition.stack).await?);

    fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;
    ensure!(ids(site.containers(&definition.stack).await?) == before, "an unchanged definition touched something");

    definition.document["@graph"][0]["hasPart"][1]["environmentVariable"][0]["value"] = "two".into();
    let file = definition.file(&fleet)?;
    fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;
    site.is_as_declared(&definition).await?;
    let after = ids(site.containers(&definition.stack).await?);
    let kept = before.values().filter(|id| after.values().any(|now| now == *id)).count();
    ensure!(kept == 2, "{before:?} became {after:?}");
    removed(&site, &fleet, &definition).await?;
    site.close().await
}

/// Removes a stack and proves that nothing of it is left: no container, network or open task.
pub(crate) async fn removed(site: &Site, fleet: &Fleet, definition: &Definition) -> anyhow::Result<()> {
    fleet.cli(&["stack", "remove", &definition.stack, "--volumes"]).await?.succeeded()?;
    site.nothing_left(&definition.stack).await?;
    let labels = BTreeMap::from([(label::STACK.to_owned(), definition.stack.clone())]);
    let volumes = site.engine.volumes(&labels).await?;
    ensure!(volumes.is_empty(), "volumes are left: {volumes:?}");
    let open = fleet.open_tasks().await?;
    ensure!(open.is_empty(), "open tasks: {open:?}");
    let stacks = fleet.get("/stacks").await?;
    let known = items(&stacks).any(|stack| stack["name"] == definition.stack.as_str());
    ensure!(!known, "the stack is still known: {stacks}");
    Ok(())
}
