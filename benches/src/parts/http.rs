//! Lives through HTTP, beside those of the store itself.

use std::sync::Arc;

use async_trait::async_trait;
use graphium_core::store::AgentStore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ground::Ground;
use crate::life::{self, Submitter, Worker};
use crate::part::{Part, Plan, Target};
use crate::plot::{By, Plot};
use crate::process::Spent;
use crate::sample::{Case, Figure, Finding, Unit};
use crate::server::{ANY_PORT, Server};
use crate::summary::Summary;

const AGENTS: usize = 64;
const RATE: &str = "lives/s";
const STORE: &str = "store";
const HTTP: &str = "HTTP";
const ALONE: &str = "alone";
const RIDING: &str = "with the next claim";

/// Lives by 64 agents of a server.
pub(crate) struct Http;

#[async_trait(?Send)]
impl Part for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn title(&self) -> &'static str {
        "Through HTTP"
    }

    fn about(&self) -> &'static str {
        "64 agents, each with the client that real agents have, and a server with a SQLite store in another process on the same \
         cores; beside it the same loop on a store in the own process. Submits are calls of a user, one task each. A report goes \
         *alone*, as a call of its own (three calls a life), or *with the next claim*, as agents do under load (two calls)."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        let case = |through, report| Case::default().with("through", through).with("report", report);
        [ALONE, RIDING].into_iter().flat_map(|report| [STORE, HTTP].map(|through| case(through, report))).collect()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let rides = case.get("report") == RIDING;
        let (rate, spent) = match case.get("through") {
            STORE => {
                let ground = Ground::sqlite(&plan.scratch).await?;
                let store = Arc::clone(&ground.store);
                let agent = |_| Ok(Arc::clone(&store) as Arc<dyn AgentStore>);
                let submitter = Submitter::Store(Arc::clone(&store));
                let lives = plan.choose(1_000, 60_000);
                let spent = Spent::begin([("here", std::process::id())])?;
                let rate = rate(&submitter, agent, lives, rides).await?;
                let spent = spent.for_each(lives)?;
                ground.close().await;
                (rate, spent)
            }
            _ => {
                let folder = tempfile::tempdir_in(&plan.scratch)?;
                let mut server = Server::start(folder.path(), ANY_PORT).await?;
                let key = server.enrol(AGENTS).await?;
                let submitter = Submitter::Http(server.admin.clone());
                let agent = |number| server.agent(number, &key);
                let lives = plan.choose(1_000, 20_000);
                let spent = Spent::begin([("here", std::process::id()), ("of the server", server.id()?)])?;
                let rate = rate(&submitter, agent, lives, rides).await?;
                let spent = spent.for_each(lives)?;
                server.stop().await?;
                (rate, spent)
            }
        };
        let mut figures = vec![Figure::new(RATE, Unit::PerSecond, rate)];
        figures.extend(spent);
        Ok(figures.into())
    }

    fn remarks(&self) -> String {
        "What bounds it: agents, submitters and the server share the cores, so there are never more lives per second than cores \
         divided by the time that a life takes in all four columns. A third of that time is the kernel's, for the bytes of two or \
         three calls through a connection, and no protocol on top can save it; what the store does by itself is more than a quarter. What is left \
         is spread thinly over HTTP on both sides: in a profile of the server no function takes more than a few percent. Tried and \
         kept: records that say who may call are remembered by the store instead of read twice a call, a token's signature is \
         checked once, rollouts read only events of stacks, all parts of a call share one state. Agents of their own machines do \
         not take the server's cores."
            .into()
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "http",
            title: "Lives per second by 64 agents",
            figures: &[RATE],
            group: By::Label("report"),
            colour: By::Label("through"),
            logarithmic: false,
        }]
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let target = |report| {
            let rate = |through| summary.median(&[("through", through), ("report", report)], RATE);
            let ratio = Figure::new("ratio", Unit::Ratio, rate(HTTP)? / rate(STORE)?);
            Some(Target::at_least(&format!("lives/s through HTTP to the store's own, reports {report}"), 0.5, ratio))
        };
        [target(ALONE), target(RIDING)].into_iter().flatten().collect()
    }
}

async fn rate(
    submitter: &Submitter,
    agent: impl Fn(usize) -> anyhow::Result<Arc<dyn AgentStore>>,
    lives: usize,
    rides: bool,
) -> anyhow::Result<f64> {
    let each = lives.div_ceil(AGENTS);
    let mut workers = Vec::new();
    for number in 0..AGENTS {
        let worker = Worker::new(agent(number)?, life::agent(number)?);
        // Its first call gets its credential, which is not part of a life.
        worker.store.claim(&worker.agent, worker.hello()).await?;
        workers.push(worker);
    }
    let began = Instant::now();
    let mut agents = JoinSet::new();
    for worker in workers {
        agents.spawn(live(submitter.clone(), worker, each, rides));
    }
    while let Some(ended) = agents.join_next().await {
        ended??;
    }
    Ok(life::per_second(each * AGENTS, began.elapsed()))
}

async fn live(submitter: Submitter, worker: Worker, count: usize, rides: bool) -> anyhow::Result<()> {
    let mut done = None;
    for _ in 0..count {
        submitter.submit(&worker.agent).await?;
        let claimed = worker.claim_after(done.take()).await?;
        if rides {
            done = Some(claimed);
        } else {
            worker.complete(&claimed).await?;
        }
    }
    match done {
        Some(claimed) => worker.complete(&claimed).await,
        None => Ok(()),
    }
}
