//! Full task lives per second by number of callers, on each store.
//!
//! *Run with* `cargo run --release -p graphium-benches --bin lives [LIVES_PER_RUN]`
//!
//! Prints a row per store and number of callers: the median and the spread of three runs, each on a fresh store.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;

use anyhow::Context;
use graphium_benches::{Bench, STORES, live};
use graphium_core::id::AgentId;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CALLERS: [usize; 4] = [1, 16, 64, 256];
const RUNS: usize = 3;
const DEFAULT_LIVES: usize = 20_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let lives = match std::env::args().nth(1) {
        Some(text) => text.parse().with_context(|| format!("{text:?} is no number of lives"))?,
        None => DEFAULT_LIVES,
    };
    println!("| store | callers | lives/s (median) | min | max |\n|---|---|---|---|---|");
    for store in STORES {
        for callers in CALLERS {
            let mut rates = Vec::with_capacity(RUNS);
            for _ in 0..RUNS {
                rates.push(rate(store, callers, lives).await?);
            }
            rates.sort_by(f64::total_cmp);
            println!("| {store} | {callers} | {:.0} | {:.0} | {:.0} |", rates[RUNS / 2], rates[0], rates[RUNS - 1]);
        }
    }
    Ok(())
}

/// Lives per second with so many callers, each an agent of its own.
async fn rate(store: &str, callers: usize, lives: usize) -> anyhow::Result<f64> {
    let bench = Bench::open(store).await?;
    // One caller alone waits for the disk three times a life: fewer lives say as much.
    let each = if callers == 1 { lives / 10 } else { lives / callers };
    let began = Instant::now();
    let mut agents = JoinSet::new();
    for number in 0..callers {
        let store = Arc::clone(&bench.store);
        let agent = AgentId::new(format!("agent-{number}"))?;
        agents.spawn(async move { live(&*store, agent, each).await });
    }
    while let Some(ended) = agents.join_next().await {
        ended??;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    Ok((each * callers) as f64 / began.elapsed().as_secs_f64())
}
