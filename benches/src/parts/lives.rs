//! Full task lives per second, by number of callers.

use async_trait::async_trait;

use crate::ground::{Ground, MEMORY, SQLITE};
use crate::life;
use crate::part::{Part, Plan, Target};
use crate::plot::{By, Plot};
use crate::process::Spent;
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
        let lives = plan.choose(quick(callers), full(callers));
        let spent = Spent::begin([("here", std::process::id())])?;
        let rate = life::rate(&ground.store, callers, lives).await?;
        let spent = spent.for_each(lives)?;
        ground.close().await;
        let mut figures = vec![Figure::new(RATE, Unit::PerSecond, rate)];
        figures.extend(spent);
        Ok(figures.into())
    }

    fn remarks(&self) -> String {
        "What bounds it: alone, a caller waits three times a life for the disk. Many callers share the cores: there are never more \
         lives per second than cores divided by the time that a life takes of them. In a profile at 64 and 256 callers half of that \
         time is the thread that commits (three fifths of it in the kernel, to write the log and to sync it; the rest in SQLite), a \
         quarter the thread that decides, a quarter the callers. So the figures follow the processor and the disk of the machine: a \
         quieter one with the same two cores gave 1,294, 7,800, 20,315 and 34,937 lives per second. What was tried \
         is in docs/decisions/0003."
            .into()
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
