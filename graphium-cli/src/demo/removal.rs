//! The end of the demo: everything goes, and the engine is asked whether it did.

use std::time::Duration;

use anyhow::Context as _;
use graphium_core::deploy::Runtime;
use graphium_core::id::InstallationId;
use tokio::time::timeout;

use super::evidence;
use super::narrator::Narrator;
use super::site::STACK;
use super::stage::Stage;
use crate::interrupt::Interrupts;

/// How long the stack may take to go in the regular way.
const PATIENCE: Duration = Duration::from_secs(60);

/// Removes everything, in the regular way where that works and by hand where it does not.
pub(super) async fn remove(mut stage: Stage, interrupts: &mut Interrupts, tell: &mut Narrator) -> anyhow::Result<()> {
    tell.phase("Removal")?;
    let runtime = stage.engine.runtime();
    let installation = stage.cluster.as_ref().map(|cluster| cluster.installation());
    let mut regular = Ok(());
    if stage.site.is_some() {
        regular = in_the_regular_way(&mut stage, interrupts, tell).await;
        if let Err(error) = &regular {
            tell.broken(format_args!("{error:#}: removing the containers by hand"))?;
        }
    }
    if let Some(cluster) = stage.cluster.take() {
        cluster.stop().await?;
        tell.done("agents and server stopped")?;
    }
    if let Some(installation) = installation {
        if regular.is_err() {
            by_hand(&*runtime, installation).await?;
        }
        evidence::nothing_left(&*runtime, installation).await?;
    }
    while let Some(made) = stage.making.join_next().await {
        // Whether it was made or not: it is removed next.
        drop(made);
    }
    if let Some(image) = &stage.image {
        stage.engine.remove_image(image).await?;
    }
    let folder = stage.folder.path().to_owned();
    stage.folder.close().with_context(|| format!("cannot remove {}", folder.display()))?;
    tell.done("nothing left: no container, network, volume or image on the engine, no file on disk")?;
    regular
}

/// As a user would: through the server, by tasks that the agents do.
async fn in_the_regular_way(stage: &mut Stage, interrupts: &mut Interrupts, tell: &mut Narrator) -> anyhow::Result<()> {
    let cluster = stage.cluster()?;
    // An interruption in the middle may have left an agent dead.
    cluster.start_missing_agents().await?;
    let removal = interrupts.or(timeout(PATIENCE, cluster.remove_stack(STACK))).await;
    let removal = removal.context("interrupted again")?;
    removal.with_context(|| format!("stack {STACK} is not gone after {PATIENCE:?}"))??;
    tell.done(format_args!("stack {STACK} removed: all three hosts have confirmed it"))?;
    Ok(())
}

/// What a broken demo leaves is removed through the engine, by its installation's label.
async fn by_hand(runtime: &dyn Runtime, installation: InstallationId) -> anyhow::Result<()> {
    for container in evidence::containers(runtime, installation).await? {
        runtime.remove(&container.id, true, true).await?;
    }
    let labels = evidence::labels(installation);
    for network in runtime.networks(&labels).await? {
        runtime.remove_network(&network.id).await?;
    }
    for volume in runtime.volumes(&labels).await? {
        runtime.remove_volume(&volume.name).await?;
    }
    Ok(())
}
