//! Full task lives per second, by number of callers.

use async_trait::async_trait;

use crate::ground::{Ground, MEMORY, SQLITE};
use crate::life;
use crate::part::{Part, Plan, Target};
use crate::plot::{By, Plot};
use crate::sample::{Case, Figure, Finding, Unit};
use crate::summary::Summary;

const CALLERS: [usize; 4] = [1, 16, 64, 256];
const RATE: &str = "lives/s";

/// Lives by callers, in memory and on SQLite.
pub(crate) struct Lives;

#[async_trait(?Send)]
impl Part for Lives {
    fn name(&self) -> &'static str {
        "lives"
    }

    fn title(&self) -> &'static str {
        "Full task lives per second"
    }

    fn about(&self) -> &'static str {
        "A life is three calls, each answered durably before the next is made: submit one task (200 bytes of payload), claim it, \
         report it completed. Every caller is an agent of its own that lives one life after the other, in the process of the \
         store. Events, attempts and leases are written as always."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        let case = |store, callers| Case::default().with("store", store).with("callers", callers);
        [MEMORY, SQLITE].into_iter().flat_map(|store| CALLERS.map(|callers| case(store, callers))).collect()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let callers = case.get("callers").parse()?;
        let ground = Ground::open(case.get("store"), &plan.scratch).await?;
        let rate = life::rate(&ground.store, callers, plan.choose(quick(callers), full(callers))).await?;
        ground.close().await;
        Ok(vec![Figure::new(RATE, Unit::PerSecond, rate)].into())
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "lives",
            title: "Full task lives per second, by callers",
            figures: &[RATE],
            group: By::Label("callers"),
            colour: By::Label("store"),
            logarithmic: true,
        }]
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let target = |callers, wanted| {
            let rate = summary.median(&[("store", SQLITE), ("callers", callers)], RATE)?;
            let what = format!("lives/s on SQLite, every answer durable, {callers} callers");
            Some(Target::at_least(&what, wanted, Figure::new(RATE, Unit::PerSecond, rate)))
        };
        [target("64", 15_000.0), target("256", 35_000.0)].into_iter().flatten().collect()
    }
}

/// One caller alone waits for the disk three times a life: fewer lives say as much.
const fn full(callers: usize) -> usize {
    if callers == 1 { 3_000 } else { 60_000 }
}

const fn quick(callers: usize) -> usize {
    if callers == 1 { 50 } else { 1_000 }
}
