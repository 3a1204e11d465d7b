//! Other queues on SQLite, doing the same work in the same run.

use async_trait::async_trait;

use crate::ground::Ground;
use crate::life;
use crate::part::{Part, Plan, Target};
use crate::peers::{Contract, GRAPHIUM, PEERS, contract_table};
use crate::plot::{By, Plot};
use crate::sample::{Case, Figure, Finding, Unit};
use crate::summary::Summary;

const CALLERS: [usize; 3] = [1, 16, 64];
const RATE: &str = "lives/s";
const QUEUE: &str = "queue";
const CALLERS_LABEL: &str = "callers";
/// What SQLite calls FULL.
const FULL: u8 = 2;

/// The peers.
pub(crate) struct Peers;

#[async_trait(?Send)]
impl Part for Peers {
    fn name(&self) -> &'static str {
        "peers"
    }

    fn title(&self) -> &'static str {
        "Other queues on SQLite"
    }

    fn about(&self) -> &'static str {
        "The same work with the same durability: 200 bytes of payload; submit, claim and finish, each durable before the next, one \
         task a call, as many callers. Each queue is used through its own interface in its best configuration, on fresh files, \
         in a process of its own that counts what was *lost* or done twice (*duplicated*, without crashes) and reads its \
         durability back. What the queues promise, and how their callers are had, stands below."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        let queues = contracts().map(|contract| contract.name);
        let case = |queue, callers| Case::default().with(QUEUE, queue).with(CALLERS_LABEL, callers);
        queues.flat_map(|queue| CALLERS.map(|callers| case(queue, callers))).collect()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let callers: usize = case.get(CALLERS_LABEL).parse()?;
        let name = case.get(QUEUE);
        let Some(peer) = PEERS.iter().find(|peer| peer.contract.name == name) else {
            let ground = Ground::sqlite(&plan.scratch).await?;
            let lives = if callers == 1 { plan.choose(100, 2_000) } else { plan.choose(1_000, 40_000) };
            let rate = life::rate(&ground.store, callers, lives).await?;
            ground.close().await;
            // A life that is lost or done twice ends the run with an error.
            return Ok(figures(rate, 0, 0).into());
        };
        let folder = tempfile::tempdir_in(&plan.scratch)?;
        match peer.race(folder.path(), callers, plan.choose(100, 1_000)).await {
            Ok(found) => {
                let full = found.synchronous == FULL;
                let note = (!full).then(|| format!("ran with synchronous={}, not FULL", found.synchronous));
                Ok(Finding { figures: figures(found.lives_per_second, found.lost, found.duplicated), note })
            }
            Err(error) => Ok(Finding { figures: Vec::new(), note: Some(format!("did not run: {error:#}")) }),
        }
    }

    fn remarks(&self) -> String {
        contract_table(contracts())
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "peers",
            title: "Full task lives per second on SQLite, every answer durable",
            figures: &[RATE],
            group: By::Label(CALLERS_LABEL),
            colour: By::Label(QUEUE),
            logarithmic: true,
        }]
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let rate = |queue, callers| summary.median(&[(QUEUE, queue), (CALLERS_LABEL, callers)], RATE);
        let target = |callers| {
            let best = PEERS.iter().filter_map(|peer| rate(peer.contract.name, callers)).reduce(f64::max)?;
            let ratio = Figure::new("ratio", Unit::Ratio, rate(GRAPHIUM.name, callers)? / best);
            Some(Target::at_least(&format!("lives/s to those of the best peer, {callers} callers"), 5.0, ratio))
        };
        target("64").into_iter().collect()
    }
}

fn contracts() -> impl Iterator<Item = Contract> {
    std::iter::once(GRAPHIUM).chain(PEERS.iter().map(|peer| peer.contract))
}

fn figures(rate: f64, lost: u64, duplicated: u64) -> Vec<Figure> {
    let rate = Figure::new(RATE, Unit::PerSecond, rate);
    vec![rate, Figure::count("lost", lost), Figure::count("duplicated", duplicated)]
}
