//! How long a submit takes, and how long until an agent that waits has the task, at a steady rate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;
use graphium_core::id::{AgentId, TaskId};
use graphium_core::store::{Submission, TaskStore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ground::{Ground, MEMORY, SQLITE};
use crate::life::{self, Worker};
use crate::part::{Part, Plan, Target};
use crate::plot::{By, Plot};
use crate::sample::{Case, Figure, Finding, Unit};
use crate::schedule::open_loop;
use crate::spread::Latencies;
use crate::summary::Summary;

const RATE: u32 = 1_000;
const AGENTS: usize = 64;
const SLOTS: usize = 16;
const WAIT: Duration = Duration::from_secs(20);
const PERCENTS: [f64; 3] = [50.0, 99.0, 99.9];

/// Open-loop latency.
pub(crate) struct Latency;

/// When each task was claimed.
type Claimed = Arc<Mutex<BTreeMap<TaskId, Instant>>>;

#[async_trait(?Send)]
impl Part for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn title(&self) -> &'static str {
        "Latency at 1,000 submits a second"
    }

    fn about(&self) -> &'static str {
        "An open loop: a submit is due every millisecond, whatever became of those before, and everything is counted from the \
         instant at which it was due, so that a stall shows in all that it delayed. 64 agents wait in long polls, report what \
         they got as completed, and wait again; each task is for one of them. *Submit* is until the submit is answered, *claim* \
         until the agent's waiting claim is answered with the task."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        [MEMORY, SQLITE].map(|store| Case::default().with("store", store)).into()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let ground = Ground::open(case.get("store"), &plan.scratch).await?;
        let (claimed, stop) = (Claimed::default(), CancellationToken::new());
        let mut agents = JoinSet::new();
        let mut names = Vec::new();
        for number in 0..AGENTS {
            let worker = Worker::beside(&ground.store, number)?;
            names.push(worker.agent.clone());
            agents.spawn(wait_and_work(worker, Arc::clone(&claimed), stop.clone()));
        }
        let store = Arc::clone(&ground.store);
        let submitted = open_loop(RATE, RATE * plan.choose(1, 10), move |number, due| {
            let agent = names[number as usize % names.len()].clone();
            submit(Arc::clone(&store), agent, due)
        });
        let submitted = submitted.await?;
        // What was submitted last may still be on its way to its agent.
        let complete = async {
            while claimed.lock().unwrap_or_else(PoisonError::into_inner).len() < submitted.len() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(WAIT, complete).await?;
        stop.cancel();
        while let Some(ended) = agents.join_next().await {
            ended??;
        }
        ground.close().await;
        Ok(figures(&submitted, &claimed)?.into())
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "latency",
            title: "Latency at 1,000 submits a second",
            figures: &["submit p50", "submit p99", "submit p99.9", "claim p50", "claim p99", "claim p99.9"],
            group: By::Figure,
            colour: By::Label("store"),
            logarithmic: true,
        }]
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let reached = summary.median(&[("store", SQLITE)], "claim p50");
        let target = |p50| {
            let what = "submit to claim answered on SQLite, an agent waiting, p50";
            Target::at_most(what, 1.0, Figure::new("claim p50", Unit::Millis, p50))
        };
        reached.map(target).into_iter().collect()
    }
}

/// Answers with the task, when it was due, and how long the submit took from then on.
async fn submit(
    store: Arc<dyn TaskStore>,
    agent: AgentId,
    due: Instant,
) -> anyhow::Result<(TaskId, Instant, Duration)> {
    let task = life::task(&agent);
    let id = task.id;
    store.submit(Submission::of("bench", [task])).await?;
    Ok((id, due, due.elapsed()))
}

/// An agent: waits for tasks, notes when they came, and reports them with its next call.
async fn wait_and_work(worker: Worker, claimed: Claimed, stop: CancellationToken) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    loop {
        let mut request = worker.hello().asking(SLOTS, WAIT);
        request.reports = std::mem::take(&mut reports);
        let answer = tokio::select! {
            answer = worker.store.claim(&worker.agent, request) => answer?,
            () = stop.cancelled() => return Ok(()),
        };
        let now = Instant::now();
        reports = answer.claims.iter().map(life::completed).collect();
        let came = answer.claims.iter().map(|claimed| (claimed.task.id(), now));
        claimed.lock().unwrap_or_else(PoisonError::into_inner).extend(came);
    }
}

fn figures(submitted: &[(TaskId, Instant, Duration)], claimed: &Claimed) -> anyhow::Result<Vec<Figure>> {
    let claimed = claimed.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(claimed.len() == submitted.len(), "every task is claimed once");
    let submits = Latencies::of(submitted.iter().map(|(_, _, time)| *time))?;
    let claims = submitted.iter().filter_map(|(id, due, _)| Some(claimed.get(id)?.saturating_duration_since(*due)));
    let claims = Latencies::of(claims)?;
    Ok([submits.figures("submit", &PERCENTS), claims.figures("claim", &PERCENTS)].concat())
}
