//! A server that is restored from a backup of last week does no harm to what was deployed since.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use graphium_core::id::{AgentId, SessionId, TaskId};
use graphium_core::store::{AgentStore, ClaimRequest, Claimed, Report, ReportAnswer, ReportedStatus};
use graphium_core::task::Outcome;
use graphium_http::client::{AgentCredential, AgentKey, Client, HttpAgent};
use serde_json::{Value, json};

use crate::deployments::removed;
use crate::process::{Fleet, eventually, items};
use crate::site::{Definition, Site};

const HOSTS: [&str; 3] = ["localhost-docker", "vm1", "vm2"];
/// A host whose agent is this test, so that it may hold a task for as long as the story takes.
const BY_HAND: &str = "by-hand";
const MACHINE: &str = "machine-of-the-test";

pub(crate) async fn a_week_is_lost_with_the_store_and_nothing_of_it_on_the_hosts() -> anyhow::Result<()> {
    let (site, mut fleet) = (Site::open().await?, Fleet::start(&HOSTS).await?);
    let (mut known, unknown) = (of_name(&site, "known", 3)?, of_name(&site, "unknown", 1)?);
    deploy(&fleet, &known).await?;
    let hand = Hand::join(&fleet).await?;
    let early = hand.take(&fleet, "early").await?;
    let backup = fleet.path("backup.db")?;
    fleet.cli(&["store", "backup", &backup]).await?.succeeded()?;

    // A week of newer work: two generations, another stack, an attempt that is given again and a task that the backup
    // does not know.
    let again = hand.take_again(&early).await?;
    for value in ["two", "three"] {
        change(&mut known, value);
        deploy(&fleet, &known).await?;
    }
    deploy(&fleet, &unknown).await?;
    let late = hand.take(&fleet, "late").await?;
    let running = containers(&site, &[&known, &unknown]).await?;

    let refused = fleet.cli(&["store", "restore", &backup]).await?.with_code(4)?;
    ensure!(refused.stderr.contains("stop the server"), "{}", refused.stderr);
    fleet.stop_server().await?;
    let restored = fleet.cli(&["store", "restore", &backup]).await?.succeeded()?;
    ensure!(restored.stdout.contains(".before-restore-1"), "what was there is kept: {}", restored.stdout);
    fleet.start_server().await?;

    let status = everybody_has_looked(&fleet).await?;
    let differs = |kind: &str, stack: &Definition| {
        items(&status["differences"]).filter(|one| one["kind"] == kind && one["stack"] == stack.stack.as_str()).count()
    };
    ensure!((differs("newer_instance", &known), differs("unknown_stack", &unknown)) == (1, 1), "{status}");
    let told = fleet.cli(&["store", "status"]).await?.succeeded()?.stdout;
    ensure!(told.contains("held since") && told.contains(&known.stack) && told.contains(&unknown.stack), "{told}");
    ensure!(fleet.get("/readyz").await?["held"]["advice"].is_string(), "the probe says so too");

    for (claimed, answer) in
        [(&early, ReportAnswer::StaleAttempt), (&again, ReportAnswer::StaleAttempt), (&late, ReportAnswer::UnknownTask)]
    {
        ensure!(hand.report(claimed).await? == answer, "a report of before is taken: {claimed:?}");
    }
    change(&mut known, "four");
    let file = known.file(&fleet)?;
    let refused = fleet.cli(&["stack", "deploy", &file]).await?.with_code(4)?;
    ensure!(refused.stderr.contains("restored"), "{}", refused.stderr);
    ensure!(containers(&site, &[&known, &unknown]).await? == running, "a held store touched a host");

    let unsure = fleet.cli(&["store", "confirm"]).await?.with_code(2)?;
    ensure!(unsure.stdout.contains(&unknown.stack) && unsure.stderr.contains("--yes"), "{unsure:?}");
    for _ in 0..2 {
        fleet.cli(&["store", "confirm", "--yes"]).await?.succeeded()?;
    }
    ensure!(containers(&site, &[&known, &unknown]).await? == running, "the confirmation touched a host");

    for (definition, above) in [(&known, 3), (&unknown, 1)] {
        deploy(&fleet, definition).await?;
        let generation = fleet.get(&format!("/stacks/{}", definition.stack)).await?["rollout"]["generation"].clone();
        ensure!(generation.as_u64() > Some(above), "generation {generation} of {} is not above", definition.stack);
        site.is_as_declared(definition).await?;
    }
    hand.finish(early.task.id()).await?;
    for definition in [&known, &unknown] {
        removed(&site, &fleet, definition).await?;
    }
    site.close().await
}

/// A stack of its own name with some of the pages.
fn of_name(site: &Site, name: &str, pages: usize) -> anyhow::Result<Definition> {
    let mut document: Value = serde_json::from_str(include_str!("stacks/manual.json"))?;
    let stack = &mut document["@graph"][0];
    stack["name"] = name.into();
    stack["@id"] = format!("stack:{name}").into();
    stack["hasPart"].as_array_mut().context("a stack has parts")?.truncate(pages);
    site.definition(&document.to_string())
}

/// Changes the first page alone.
fn change(definition: &mut Definition, value: &str) {
    definition.document["@graph"][0]["hasPart"][0]["environmentVariable"][0]["value"] = value.into();
}

async fn deploy(fleet: &Fleet, definition: &Definition) -> anyhow::Result<()> {
    let file = definition.file(fleet)?;
    fleet.cli(&["stack", "deploy", &file]).await?.succeeded().map(drop)
}

/// The id of every container of these stacks, by its name.
async fn containers(site: &Site, stacks: &[&Definition]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut ids = BTreeMap::new();
    for definition in stacks {
        let found = site.containers(&definition.stack).await?;
        ids.extend(found.into_iter().map(|found| (found.container.name, found.container.id)));
    }
    Ok(ids)
}

/// What the store says of itself once the hosts with an engine have reported since the restore.
async fn everybody_has_looked(fleet: &Fleet) -> anyhow::Result<Value> {
    eventually("every host has looked since the restore", || async {
        let status = fleet.cli(&["store", "status", "--output", "json"]).await?.succeeded()?.json()?;
        ensure!(status["held"] == true && status["epoch"] == 1, "it is not held: {status}");
        let unseen = items(&status["differences"]).any(|one| one["kind"] == "not_seen" && one["host"] != BY_HAND);
        Ok((!unseen).then_some(status))
    })
    .await
}

/// The agent of a host without an engine.
struct Hand {
    id: AgentId,
    agent: HttpAgent,
    session: SessionId,
}

impl Hand {
    async fn join(fleet: &Fleet) -> anyhow::Result<Self> {
        let (id, token) = (AgentId::new(BY_HAND)?, fleet.join_token(BY_HAND).await?);
        let client = Client::builder(fleet.url()).build()?;
        let credential = AgentCredential::join(&client, &token, id.clone(), AgentKey::generate()?, MACHINE).await?;
        Ok(Self { id, agent: HttpAgent::new(client, credential), session: SessionId::generate() })
    }

    async fn claim(&self, mut request: ClaimRequest) -> anyhow::Result<Claimed> {
        request = request.asking(1, Duration::from_secs(1));
        eventually("the task is given", || async {
            let answer = self.agent.claim(&self.id, request.clone()).await?;
            Ok(answer.claims.into_iter().next())
        })
        .await
    }

    fn hello(&self) -> ClaimRequest {
        ClaimRequest::hello(self.session, MACHINE)
    }

    /// Submits a task for this host and takes it, and nothing else.
    async fn take(&self, fleet: &Fleet, kind: &str) -> anyhow::Result<Claimed> {
        let payload = json!({}).to_string();
        let submit = ["task", "submit", "--host", BY_HAND, "--type", kind, "--payload", &payload, "--output", "json"];
        let task = fleet.cli(&submit).await?.succeeded()?.json()?;
        let mut request = self.hello();
        request.only = Some(task["@id"].as_str().context("a task has an id")?.parse()?);
        self.claim(request).await
    }

    /// Gives a task back and takes it anew.
    async fn take_again(&self, claimed: &Claimed) -> anyhow::Result<Claimed> {
        let mut request = self.hello();
        request.only = Some(claimed.task.id());
        let status = ReportedStatus::HandedBack;
        request.reports = vec![Report { task: claimed.task.id(), attempt: claimed.attempt(), status }];
        let again = self.claim(request).await?;
        ensure!(again.attempt() > claimed.attempt(), "{again:?} is no new attempt");
        Ok(again)
    }

    /// Says that a task is done, and answers with what the store thinks of that.
    async fn report(&self, claimed: &Claimed) -> anyhow::Result<ReportAnswer> {
        let mut request = self.hello();
        let status = ReportedStatus::Completed(Outcome::default());
        request.reports = vec![Report { task: claimed.task.id(), attempt: claimed.attempt(), status }];
        let answer = self.agent.claim(&self.id, request).await?;
        Ok(answer.receipts.first().context("a report has a receipt")?.answer)
    }

    /// Takes the task that the backup knew, which nobody holds any more, and does it.
    async fn finish(&self, task: TaskId) -> anyhow::Result<()> {
        let mut request = self.hello();
        request.only = Some(task);
        let claimed = self.claim(request).await?;
        ensure!(self.report(&claimed).await? == ReportAnswer::Accepted, "its new attempt counts");
        Ok(())
    }
}
