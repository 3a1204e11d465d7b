//! Whether a claim becomes slower with what has been done before.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use graphium_core::clock::SystemClock;
use tokio::time::Instant;

use crate::finished;
use crate::ground::Ground;
use crate::life::{self, Worker};
use crate::part::{Part, Plan, Target};
use crate::plot::{By, Plot};
use crate::sample::{Case, Figure, Finding, Unit};
use crate::spread::Latencies;
use crate::summary::Summary;

const FINISHED: [usize; 3] = [0, 1_000_000, 10_000_000];
const QUICK: [usize; 2] = [0, 20_000];
const CALLERS: usize = 64;
const RATE: &str = "lives/s, 64 callers";
const LABEL: &str = "finished tasks";

/// Claims beside many finished tasks.
pub(crate) struct History;

#[async_trait(?Send)]
impl Part for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn title(&self) -> &'static str {
        "With a long history"
    }

    fn about(&self) -> &'static str {
        "A SQLite store that holds so many finished tasks, with their attempts and events. One caller lives lives one after the \
         other; *claim* is the time of its claims alone. Then 64 callers live as in the first chapter. Ten thousand of the \
         finished tasks were really lived, the others are copies of them with ids of their own, all without a payload. That file \
         (some 14 GB for ten million) is made once, synced, and used by every run; the empty one is fresh."
    }

    fn cases(&self, plan: &Plan) -> Vec<Case> {
        plan.choose(&QUICK[..], &FINISHED[..]).iter().map(|count| Case::default().with(LABEL, count)).collect()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let count: usize = case.get(LABEL).parse()?;
        let ground = match count {
            0 => Ground::sqlite(&plan.scratch).await?,
            _ => Ground::at(&filled(plan, count).await?, Arc::new(SystemClock)).await?,
        };
        let worker = Worker::beside(&ground.store, 0)?;
        let mut claims = Latencies::new()?;
        for _ in 0..plan.choose(100, 4_000) {
            life::submit(&*ground.store, &worker.agent).await?;
            let began = Instant::now();
            let claimed = worker.claim().await?;
            claims.add(began.elapsed())?;
            worker.complete(&claimed).await?;
        }
        drop(worker);
        let rate = life::rate(&ground.store, CALLERS, plan.choose(1_000, 30_000)).await?;
        ground.close().await;
        let mut figures = claims.figures("claim", &[50.0, 99.0]);
        figures.push(Figure::new(RATE, Unit::PerSecond, rate));
        Ok(figures.into())
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "history",
            title: "Time of a claim beside finished tasks",
            figures: &["claim p50", "claim p99"],
            group: By::Label(LABEL),
            colour: By::Figure,
            logarithmic: false,
        }]
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let target = |count: &str| {
            let claim = |count| summary.median(&[(LABEL, count)], "claim p99");
            let ratio = Figure::new("ratio", Unit::Ratio, claim(count)? / claim("0")?);
            Some(Target::at_most(
                &format!("claim p99 with {count} finished tasks to that of an empty store"),
                1.2,
                ratio,
            ))
        };
        FINISHED[1..].iter().filter_map(|count| target(&count.to_string())).collect()
    }
}

/// The file with so many finished tasks, made at its first use.
async fn filled(plan: &Plan, count: usize) -> anyhow::Result<PathBuf> {
    let folder = plan.scratch.join(format!("finished-{count}"));
    let path = folder.join("graphium.db");
    if !folder.exists() {
        std::fs::create_dir_all(&folder)?;
        finished::fill(&path, count).await?;
        // Or the kernel would write gigabytes behind what is measured.
        std::fs::File::open(&path)?.sync_all()?;
    }
    Ok(path)
}
