//! The story, phase by phase. Whatever is not as it must be ends it with an error.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use graphium_core::deploy::label;
use graphium_core::id::Generation;
use graphium_core::stack::{Deployment, DeploymentStatus};
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::evidence;
use super::narrator::Narrator;
use super::site::{HOSTS, STACK, Site};
use super::stage::Stage;
use crate::duration::took;
use crate::output::table;

/// Whose agent dies.
const VICTIM: &str = "vm1";
const FIRST: &str = "Hello";
const SECOND: &str = "Hello again";
/// How often other ports are tried when somebody takes one between looking and binding.
const PORT_ATTEMPTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Tells the story.
pub(super) async fn tell(stage: &mut Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    server_and_hosts(stage, tell).await?;
    image(stage, tell).await?;
    first_deployment(stage, tell).await?;
    second_deployment(stage, tell).await?;
    proof(stage, tell).await
}

async fn server_and_hosts(stage: &mut Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    tell.phase("Server and hosts")?;
    let engine = stage.engine.describe().await?;
    let cluster = Cluster::start(stage.folder.path(), stage.engine.runtime()).await?;
    tell.done(format_args!("server on {}, SQLite in {}", cluster.url(), stage.folder.path().display()))?;
    let cluster = stage.cluster.insert(cluster);
    for host in HOSTS {
        cluster.start_agent(host).await?;
    }
    cluster.all_ready(&HOSTS).await?;
    tell.done(format_args!("{} joined over HTTP, each with a key of its own", HOSTS.join(", ")))?;
    tell.say(format_args!("  three hosts that share one engine here ({engine}), told apart by label"))?;
    Ok(())
}

async fn image(stage: &mut Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    tell.phase("Image")?;
    let installation = stage.installation()?.as_uuid().simple().to_string();
    let reference = format!("graphium-demo:{}", &installation[..8]);
    // Noted before it is made: an interruption in the middle may leave it.
    stage.image = Some(reference.clone());
    let (engine, name) = (Arc::clone(&stage.engine), reference.clone());
    stage.making.spawn(async move { engine.make_image(&name).await });
    let made = stage.making.join_next().await.context("nobody makes the image")?;
    let how = made.context("making the image was interrupted")??;
    tell.done(format_args!("{reference} {how}"))?;
    Ok(())
}

async fn first_deployment(stage: &mut Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    tell.phase("First deployment")?;
    let image = stage.image.clone().context("there is no image yet")?;
    for attempt in 1..=PORT_ATTEMPTS {
        let site = stage.site.insert(Site::on_free_ports(&image, true)?).clone();
        let deployment = deploy(stage, &site, FIRST).await?;
        let ended = stage.cluster()?.settled(&deployment).await?;
        match &ended.status {
            DeploymentStatus::Failed { reason } if reason.contains("port_conflict") && attempt < PORT_ATTEMPTS => {
                tell.broken(format_args!("a port was taken meanwhile: trying others ({reason})"))?;
            }
            DeploymentStatus::Completed => break,
            DeploymentStatus::Running
            | DeploymentStatus::Failed { .. }
            | DeploymentStatus::Superseded
            | DeploymentStatus::Cancelled => completed(&ended)?,
        }
    }
    let site = stage.site.clone().context("there is no stack yet")?;
    tell.done(format_args!("three containers deployed and observed healthy: one task for each, pulled by its host"))?;
    for visit in evidence::visit(&stage.engine, &site, FIRST).await? {
        tell.say(format_args!("  http://{}/ answers {:?}", visit.container.address, visit.answer))?;
    }
    Ok(())
}

async fn second_deployment(stage: &mut Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    tell.phase(format_args!("Second deployment, and the agent of {VICTIM} dies in the middle"))?;
    let site = stage.site.clone().context("there is no stack yet")?;
    let deployment = deploy(stage, &site, SECOND).await?;
    tell.done(format_args!("generation {} accepted: each container gets a new greeting", deployment.generation))?;

    in_the_middle(stage, deployment.generation).await?;
    stage.cluster()?.kill_agent(VICTIM).await;
    tell.broken(format_args!(
        "agent of {VICTIM} killed while it replaced its container: no goodbye, nothing finished"
    ))?;

    let others: BTreeSet<_> = HOSTS.into_iter().filter(|host| *host != VICTIM).collect();
    stage.cluster()?.done_on(&deployment, &others).await?;
    tell.done("the other two hosts went on and are done")?;

    let session = stage.cluster()?.session_of(VICTIM).await?;
    stage.cluster()?.start_agent(VICTIM).await?;
    let new_session = stage.cluster()?.another_session(VICTIM, session).await?;
    tell.done(format_args!(
        "agent of {VICTIM} is back as session {new_session:.8}; the tasks of {session:.8} are void",
        new_session = new_session.to_string(),
        session = session.to_string()
    ))?;

    let ended = stage.cluster()?.settled(&deployment).await?;
    completed(&ended)?;
    tell.done(format_args!("generation {} completed on all three hosts", ended.generation))?;
    Ok(())
}

/// Waits until the victim has taken the old container away, or made the new one, and is not done.
async fn in_the_middle(stage: &Stage, generation: Generation) -> anyhow::Result<()> {
    let installation = stage.installation()?;
    let runtime = stage.engine.runtime();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = evidence::containers_on(&*runtime, installation, VICTIM).await?;
        let is_new = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get(label::GENERATION).is_some_and(|of| *of == generation.to_string())
        };
        if found.is_empty() || found.iter().any(|container| is_new(&container.labels)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{VICTIM} did not begin within {PATIENCE:?}");
        sleep(LOOK_EVERY).await;
    }
}

async fn proof(stage: &mut Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    tell.phase("Proof")?;
    let installation = stage.installation()?;
    let site = stage.site.clone().context("there is no stack yet")?;
    let names = evidence::exactly_declared(&stage.engine, installation, &site, SECOND).await?;
    tell.done("no double, no loss: the engine has exactly the three declared containers, found by label")?;

    let attempts = stage.cluster()?.attempts_of(VICTIM, STACK).await?;
    ensure!(attempts.len() > 1, "the task of {VICTIM} was done in one attempt, although its agent was killed");
    tell.done(format_args!("the task of {VICTIM}, in its history: {}", attempts.join(", then ")))?;

    let open = stage.cluster()?.open_tasks().await?;
    ensure!(open == 0, "{open} tasks are still open");
    let visited = evidence::visit(&stage.engine, &site, SECOND).await?;
    tell.done("no task is open, and every page was fetched:")?;
    let rows = visited.iter().map(|visit| {
        vec![
            visit.container.host.to_owned(),
            names.get(visit.container.host).cloned().unwrap_or_default(),
            visit.container.address.port().to_string(),
            visit.answer.clone(),
            took(visit.time),
        ]
    });
    tell.say(format_args!("\n{}", table(&["HOST", "CONTAINER", "PORT", "ANSWER", "TIME"], rows)))?;
    if !stage.engine.is_real() {
        tell.warn("simulated: these containers and answers are those of the engine in memory")?;
    }
    Ok(())
}

/// Deploys the site, through the server, from a file as a user would have it.
async fn deploy(stage: &mut Stage, site: &Site, greeting: &str) -> anyhow::Result<Deployment> {
    let definition = serde_json::to_string_pretty(&site.definition(greeting))?;
    let file = stage.stack_file();
    tokio::fs::write(&file, &definition).await.with_context(|| format!("cannot write {}", file.display()))?;
    stage.cluster()?.deploy(STACK, &definition).await
}

fn completed(deployment: &Deployment) -> anyhow::Result<()> {
    let DeploymentStatus::Completed = &deployment.status else {
        anyhow::bail!("generation {} ended as {:?}", deployment.generation, deployment.status);
    };
    Ok(())
}

/// Says what a user can do while it all still runs.
pub(super) fn invite(stage: &Stage, tell: &mut Narrator) -> anyhow::Result<()> {
    let Some(cluster) = &stage.cluster else { return Ok(()) };
    let program = std::env::current_exe().map_or_else(|_| "graphium".to_owned(), |path| path.display().to_string());
    tell.phase("Your turn: in another terminal")?;
    tell.say(format_args!(
        "export GRAPHIUM_SERVER={} GRAPHIUM_TOKEN_FILE={}\n\
         {program} stack status {STACK}\n\
         {program} host list\n\
         {program} events                     # and in a third terminal:\n\
         {program} stack deploy {}   # after changing a greeting in it\n\
         \n\
         Ctrl-C here removes everything.",
        cluster.url(),
        cluster.token_file().display(),
        stage.stack_file().display(),
    ))?;
    Ok(())
}
