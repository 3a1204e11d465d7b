//! Lives on PostgreSQL, one task a call and in batches.

use std::sync::Arc;

use anyhow::ensure;
use async_trait::async_trait;
use graphium_core::clock::SystemClock;
use graphium_core::store::{PostgresSettings, PostgresStore, StoreSettings, Submission, TaskStore};
use graphium_tests::PostgresServer;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::life::{self, Worker};
use crate::part::{Part, Plan, Target};
use crate::plot::{By, Plot};
use crate::process::Spent;
use crate::sample::{Case, Figure, Finding, Unit};
use crate::summary::Summary;

const CALLERS: &str = "callers";
const BATCH: &str = "tasks a call";
const RATE: &str = "lives/s";

/// Lives on PostgreSQL.
pub(crate) struct Postgres;

#[async_trait(?Send)]
impl Part for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn title(&self) -> &'static str {
        "On PostgreSQL"
    }

    fn about(&self) -> &'static str {
        "The same lives on a PostgreSQL server of the bench's own, on the same two cores, with its default settings: every commit \
         is synced. Each caller is an agent that submits, claims and reports so many tasks in each of its three calls. The time \
         on a core is that of the process of the store and its callers; the server's own stands beside it."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        let case = |(callers, batch)| Case::default().with(CALLERS, callers).with(BATCH, batch);
        [(1, 1), (64, 1), (256, 1), (8, 32), (32, 32)].into_iter().map(case).collect()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let (callers, batch): (usize, usize) = (case.get(CALLERS).parse()?, case.get(BATCH).parse()?);
        let server = PostgresServer::start_in(&plan.scratch).map_err(anyhow::Error::msg)?;
        let url = server.database().map_err(anyhow::Error::msg)?;
        let postgres = PostgresSettings { url, name: "bench".into() };
        let store = Arc::new(PostgresStore::open(postgres, Arc::new(SystemClock), StoreSettings::default()).await?);
        let tasks: Arc<dyn TaskStore> = Arc::<PostgresStore>::clone(&store);
        let lives = if callers == 1 { plan.choose(50, 2_000) } else { plan.choose(2_048, 65_536) };
        let spent = Spent::begin([("here", std::process::id())])?;
        let rate = rate(&tasks, callers, batch, lives).await?;
        let spent = spent.for_each(lives)?;
        store.close().await;
        let mut figures = vec![Figure::new(RATE, Unit::PerSecond, rate)];
        figures.extend(spent);
        Ok(figures.into())
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "postgres",
            title: "Lives per second on PostgreSQL",
            figures: &[RATE],
            group: By::Label(CALLERS),
            colour: By::Label(BATCH),
            logarithmic: false,
        }]
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let rate = |callers| summary.median(&[(CALLERS, callers), (BATCH, "32")], RATE);
        let best = ["8", "32"].into_iter().filter_map(rate).reduce(f64::max);
        let target = |rate| {
            let figure = Figure::new(RATE, Unit::PerSecond, rate);
            Target::at_least("lives/s on PostgreSQL, batches of 32", 15_000.0, figure)
        };
        best.map(target).into_iter().collect()
    }
}

/// Lives about so many lives by so many callers at once, each with so many tasks in a call.
async fn rate(store: &Arc<dyn TaskStore>, callers: usize, batch: usize, lives: usize) -> anyhow::Result<f64> {
    let rounds = lives.div_ceil(callers * batch);
    let began = Instant::now();
    let mut agents = JoinSet::new();
    for number in 0..callers {
        agents.spawn(live(Arc::clone(store), Worker::beside(store, number)?, batch, rounds));
    }
    while let Some(ended) = agents.join_next().await {
        ended??;
    }
    Ok(life::per_second(rounds * callers * batch, began.elapsed()))
}

async fn live(store: Arc<dyn TaskStore>, worker: Worker, batch: usize, rounds: usize) -> anyhow::Result<()> {
    for _ in 0..rounds {
        let tasks = (0..batch).map(|_| life::task(&worker.agent));
        store.submit(Submission::of("bench", tasks)).await?;
        let claimed = worker.claim_up_to(batch).await?;
        ensure!(claimed.len() == batch, "what was submitted is claimed");
        worker.complete_all(&claimed).await?;
    }
    Ok(())
}
