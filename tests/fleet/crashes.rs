//! What must be true after an agent or the server was killed.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::deployments::removed;
use crate::process::{Fleet, eventually, items};
use crate::site::{Definition, Site};

const HOSTS: [&str; 3] = ["localhost-docker", "vm1", "vm2"];
/// The containers of the stack under which the server is killed, and how often.
const CONTAINERS: usize = 30;
const KILLS: usize = 20;

/// The failure that started it all: an agent dies in the middle of a deployment.
pub(crate) async fn an_agent_killed_in_the_middle_of_a_deployment_comes_back_and_it_completes() -> anyhow::Result<()> {
    let (site, mut fleet) = (Site::open().await?, Fleet::start(&HOSTS).await?);
    let definition = many(&site, 12)?;
    let file = definition.file(&fleet)?;
    fleet.cli(&["stack", "deploy", &file, "--detach"]).await?.succeeded()?;
    eventually("vm1 is at work", || async {
        let tasks = fleet.get("/tasks?agentId=vm1&status=running&limit=1000").await?;
        Ok(items(&tasks).any(|task| task["taskType"] == "deploy").then_some(()))
    })
    .await?;
    fleet.kill_agent("vm1").await?;
    fleet.start_agent("vm1").await?;

    settled(&fleet, &definition.stack, "running").await?;
    site.is_as_declared(&definition).await?;
    removed(&site, &fleet, &definition).await?;
    site.close().await
}

/// A delete while an agent is away waits for it by name.
pub(crate) async fn a_delete_waits_for_the_host_that_is_away_and_leaves_no_orphan() -> anyhow::Result<()> {
    let (site, mut fleet) = (Site::open().await?, Fleet::start(&HOSTS).await?);
    let definition = site.definition(include_str!("stacks/manual.json"))?;
    let file = definition.file(&fleet)?;
    fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;
    fleet.kill_agent("vm2").await?;
    fleet.cli(&["stack", "remove", &definition.stack, "--detach"]).await?.succeeded()?;

    let path = format!("/stacks/{}", definition.stack);
    eventually("the stack is deleting and names vm2 alone", || async {
        let view = fleet.get(&path).await?;
        let waiting: Vec<_> = items(&view["waitingFor"]).map(|waiting| waiting["host"].clone()).collect();
        let gone = site.containers(&definition.stack).await?.len() == 1;
        Ok((view["status"] == "deleting" && waiting == [json!("vm2")] && gone).then_some(()))
    })
    .await?;
    let shown = fleet.cli(&["stack", "status", &definition.stack]).await?;
    ensure!(shown.stdout.contains("deleting") && shown.stdout.contains("vm2"), "{}", shown.stdout);

    fleet.start_agent("vm2").await?;
    eventually("the stack is gone", || async { Ok(fleet.get(&path).await.is_err().then_some(())) }).await?;
    site.nothing_left(&definition.stack).await?;
    ensure!(fleet.open_tasks().await?.is_empty(), "no task is left open");
    site.close().await
}

/// The server is killed again and again while many containers are deployed.
pub(crate) async fn a_server_killed_again_and_again_loses_nothing_and_doubles_nothing() -> anyhow::Result<()> {
    let (site, mut fleet) = (Site::open().await?, Fleet::start(&HOSTS).await?);
    let definition = many(&site, CONTAINERS)?;
    let file = definition.file(&fleet)?;
    fleet.cli(&["stack", "deploy", &file, "--detach"]).await?.succeeded()?;
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        acknowledged.push(submit(&fleet, kill).await?);
        // A moment that differs from kill to kill, without a source of chance.
        tokio::time::sleep(Duration::from_millis((kill as u64 * 137) % 400)).await;
        fleet.kill_server().await?;
        fleet.start_server().await?;
    }

    settled(&fleet, &definition.stack, "running").await?;
    site.is_as_declared(&definition).await?;
    for id in acknowledged {
        let task = fleet.get(&format!("/tasks/{id}")).await?;
        ensure!(task["@id"] == id.as_str(), "an acknowledged task is gone: {task}");
    }
    once_each(&fleet, &definition.stack).await?;
    fleet.cli(&["stack", "remove", &definition.stack]).await?.succeeded()?;
    site.nothing_left(&definition.stack).await?;
    site.close().await
}

/// A task for a host that nobody serves: it waits, and must be there after every crash.
async fn submit(fleet: &Fleet, number: usize) -> anyhow::Result<String> {
    let payload = json!({ "number": number }).to_string();
    let submitted = fleet
        .cli(&["task", "submit", "--agent", "nobody", "--type", "note", "--payload", &payload, "--output", "json"])
        .await?
        .succeeded()?
        .json()?;
    let task = items(&submitted).next().unwrap_or(&submitted);
    Ok(task["@id"].as_str().unwrap_or_default().to_owned())
}

/// No instance was deployed by two tasks that completed.
async fn once_each(fleet: &Fleet, stack: &str) -> anyhow::Result<()> {
    let tasks = fleet.get(&format!("/tasks?stackId={stack}&type=deploy&status=completed&limit=1000")).await?;
    let mut names: Vec<&Value> = items(&tasks).map(|task| &task["containerId"]).collect();
    names.sort_by_key(|name| name.to_string());
    let all = names.len();
    names.dedup();
    ensure!(names.len() == all && all == CONTAINERS, "{all} deploys of {} containers completed", names.len());
    Ok(())
}

async fn settled(fleet: &Fleet, stack: &str, status: &str) -> anyhow::Result<()> {
    eventually(&format!("stack {stack} is {status}"), || async {
        let view = fleet.get(&format!("/stacks/{stack}")).await?;
        ensure!(view["status"] != "error", "the deployment failed: {}", view["rollout"]);
        Ok((view["status"] == status).then_some(()))
    })
    .await
}

/// So many pages, evenly on the three hosts.
fn many(site: &Site, count: usize) -> anyhow::Result<Definition> {
    let mut document: Value = serde_json::from_str(include_str!("stacks/manual.json"))?;
    let pages = document["@graph"][0]["hasPart"].as_array().cloned().unwrap_or_default();
    let parts = (0..count).map(|number| {
        let mut part = pages[number % pages.len()].clone();
        part["name"] = format!("page-{number}").into();
        part["@id"] = format!("container:page-{number}").into();
        part
    });
    document["@graph"][0]["hasPart"] = parts.collect();
    site.definition(&document.to_string())
}
