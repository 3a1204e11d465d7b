//! A server that is killed again and again under load: what it acknowledged is there, each time.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use graphium_tests::history::broken;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::figures::Figures;
use crate::forget::Forget;
use crate::ground::Ground;
use crate::server::Over;

const AGENTS: usize = 3;
/// How many submissions are acknowledged at least between two kills.
const BETWEEN: usize = 10;
/// The longest time from there to the kill.
const MOMENT: Duration = Duration::from_millis(150);
/// In so many kills something unsynced is lost.
const TELLING_KILLS: usize = 20;
/// How often a server with a disk that lies is killed.
const VAIN_KILLS: usize = 2;

/// Kills a server as a process is killed: what it has written stays.
pub(crate) async fn plain(seed: u64, kills: usize) -> anyhow::Result<Figures> {
    let mut ground = Ground::open(seed, AGENTS, false, |_| Ok(Over::Nothing)).await?;
    again_and_again(&mut ground, seed, kills).await?;
    ground.settle().await?;
    ground.judge().await
}

/// Kills it as a loss of power does: what it has not synced is lost, wholly or in part.
pub(crate) async fn forgetting(seed: u64, kills: usize) -> anyhow::Result<Figures> {
    let mut ground = Ground::open(seed, AGENTS, false, |folder| over(folder, seed)).await?;
    again_and_again(&mut ground, seed, kills).await?;
    ground.settle().await?;
    if let Over::Forget(forget) = &ground.server.over {
        ensure!(kills < TELLING_KILLS || forget.lost > 0, "in {kills} kills nothing was lost: the shim is not there");
        (0..forget.lost).for_each(|_| ground.ledger.count("sectors lost"));
    }
    ground.judge().await
}

/// The same on a disk that syncs in vain: then acknowledged work is lost, and the promises must show it.
pub(crate) async fn in_vain(seed: u64) -> anyhow::Result<()> {
    let mut ground = Ground::open(seed, AGENTS, false, |folder| over(folder, seed)).await?;
    ground.begin()?;
    ground.load(BETWEEN).await?;
    for _ in 0..VAIN_KILLS {
        ground.server.kill().await?;
        if let Over::Forget(forget) = &mut ground.server.over {
            forget.vain = true;
        }
        ground.server.start().await?;
        ground.load(BETWEEN).await?;
    }
    ground.server.kill().await?;
    ground.server.start().await?;
    ground.halt().await?;
    let history = ground.history().await?;
    let broken = broken(&history);
    let gone = broken.iter().filter(|(promise, _)| *promise == "an acknowledged submit is kept").count();
    ensure!(gone >= BETWEEN, "{gone} acknowledged submits are seen to be gone, of at least {BETWEEN}: {broken:#?}");
    Ok(())
}

fn over(folder: &Path, seed: u64) -> anyhow::Result<Over> {
    Ok(Over::Forget(Box::new(Forget::new(folder, &folder.join("data"), seed)?)))
}

async fn again_and_again(ground: &mut Ground, seed: u64, kills: usize) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    ground.begin()?;
    for _ in 0..kills {
        let before = ground.ledger.acknowledged();
        ground.load(BETWEEN).await?;
        sleep(MOMENT.mul_f64(rng.random())).await;
        ground.server.kill().await?;
        ground.ledger.count("servers killed");
        ground.server.start().await?;
        ground.all_there_since(before).await?;
    }
    Ok(())
}
