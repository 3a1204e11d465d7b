//! The end of the demo: everything goes, and the engine is asked whether it did.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use graphium_core::deploy::Runtime;
use graphium_core::id::InstallationId;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::evidence;
use super::narrator::Narrator;
use super::site::STACK;
use super::stage::Stage;
use crate::interrupt::Interrupts;

/// How long the stack may take to go in the regular way.
const PATIENCE: Duration = Duration::from_secs(60);

/// Removes everything, in the regular way where that works and by hand where it does not. No step keeps the next one
/// from being done; the answer is the first error.
pub(super) async fn remove(mut stage: Stage, interrupts: &mut Interrupts, tell: &mut Narrator) -> anyhow::Result<()> {
    unheard(tell.phase("Removal"));
    let runtime = stage.engine.runtime();
    let installation = stage.cluster.as_ref().map(Cluster::installation);
    let mut faults = Faults::default();
    if stage.site.is_some()
        && let Err(error) = in_the_regular_way(&mut stage, interrupts, tell).await
    {
        unheard(tell.broken(format_args!("{error:#}: removing the containers by hand")));
        faults.add(error);
    }
    if let Some(cluster) = stage.cluster.take() {
        match cluster.stop().await {
            Ok(()) => unheard(tell.done("agents and server stopped")),
            Err(error) => {
                unheard(tell.broken(format_args!("{error:#}: looking for what it left")));
                faults.add(error);
            }
        }
    }
    if let Some(installation) = installation {
        if faults.any() {
            by_hand(&*runtime, installation, &mut faults).await;
        }
        faults.check(evidence::nothing_left(&*runtime, installation).await);
    }
    while let Some(made) = stage.making.join_next().await {
        // Whether it was made or not: it is removed next.
        drop(made);
    }
    if let Some(image) = &stage.image {
        faults.check(stage.engine.remove_image(image).await);
    }
    let folder = stage.folder.path().to_owned();
    faults.check(stage.folder.close().with_context(|| format!("cannot remove {}", folder.display())));
    if !faults.left {
        unheard(tell.done("nothing left: no container, network, volume or image on the engine, no file on disk"));
    }
    faults.end()
}

/// Nobody may read the story any more (`graphium demo | head`); what is there is removed all the same.
fn unheard(told: io::Result<()>) {
    drop(told);
}

/// What went wrong on the way.
#[derive(Debug, Default)]
struct Faults {
    errors: Vec<anyhow::Error>,
    /// Whether something may be left behind.
    left: bool,
}

impl Faults {
    fn add(&mut self, error: anyhow::Error) {
        self.errors.push(error);
    }

    /// An error of this result may yet turn out to matter to nobody: what is left is looked for in the end.
    fn note<T>(&mut self, result: anyhow::Result<T>) {
        if let Err(error) = result {
            self.errors.push(error);
        }
    }

    /// An error of this result means that something is left.
    fn check(&mut self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.left = true;
            self.errors.push(error);
        }
    }

    fn any(&self) -> bool {
        !self.errors.is_empty()
    }

    fn end(self) -> anyhow::Result<()> {
        let mut errors = self.errors.into_iter();
        let Some(first) = errors.next() else { return Ok(()) };
        let more: Vec<String> = errors.map(|error| format!("{error:#}")).collect();
        Err(if more.is_empty() { first } else { anyhow!("{first:#}; {}", more.join("; ")) })
    }
}

/// As a user would: through the server, by tasks that the agents do.
async fn in_the_regular_way(stage: &mut Stage, interrupts: &mut Interrupts, tell: &mut Narrator) -> anyhow::Result<()> {
    let cluster = stage.cluster()?;
    // An interruption in the middle may have left an agent dead.
    cluster.start_missing_agents().await?;
    let removal = interrupts.or(timeout(PATIENCE, cluster.remove_stack(STACK))).await;
    let removal = removal.context("interrupted again")?;
    removal.with_context(|| format!("stack {STACK} is not gone after {PATIENCE:?}"))??;
    unheard(tell.done(format_args!("stack {STACK} removed: all three hosts have confirmed it")));
    Ok(())
}

/// What a broken demo leaves is removed through the engine, by its installation's label.
async fn by_hand(runtime: &dyn Runtime, installation: InstallationId, faults: &mut Faults) {
    match evidence::containers(runtime, installation).await {
        Ok(containers) => {
            for container in containers {
                let removed = runtime.remove(&container.id, true, true).await;
                faults.note(removed.with_context(|| format!("container {}", container.name)));
            }
        }
        Err(error) => faults.add(error),
    }
    let labels = evidence::labels(installation);
    match runtime.networks(&labels).await {
        Ok(networks) => {
            for network in networks {
                let removed = runtime.remove_network(&network.id).await;
                faults.note(removed.with_context(|| format!("network {}", network.name)));
            }
        }
        Err(error) => faults.add(error.into()),
    }
    match runtime.volumes(&labels).await {
        Ok(volumes) => {
            for volume in volumes {
                let removed = runtime.remove_volume(&volume.name).await;
                faults.note(removed.with_context(|| format!("volume {}", volume.name)));
            }
        }
        Err(error) => faults.add(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_hides_none_of_those_after_it() {
        let mut faults = Faults::default();
        assert!(!faults.any());
        faults.add(anyhow!("the server broke"));
        faults.check(Err(anyhow!("still there: container web")));
        let text = format!("{:#}", faults.end().unwrap_err());
        assert_eq!(text, "the server broke; still there: container web");
    }
}
