//! How long the lowest priority waits behind a queue that is full of the highest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use graphium_core::clock::{Clock, ManualClock, Timestamp};
use graphium_core::store::{Submission, TaskStore};
use graphium_core::task::{AGEING_STEP, NewTask, Priority as Urgency};

use crate::ground::{Ground, MEMORY, SQLITE};
use crate::life::{self, Worker};
use crate::part::{Part, Plan, Target};
use crate::sample::{Case, Figure, Finding, Unit};
use crate::summary::Summary;

const STEPS: u32 = 10;
/// What the agent does in a second.
const PER_SECOND: usize = 10;
/// Tasks of the highest priority that are always there.
const BACKLOG: usize = 50;
/// A task of the lowest priority comes every so many seconds.
const LOW_EVERY: usize = 10;
const TICK: Duration = Duration::from_secs(1);

/// The wait of the lowest priority.
pub(crate) struct Priority;

#[async_trait(?Send)]
impl Part for Priority {
    fn name(&self) -> &'static str {
        "priority"
    }

    fn title(&self) -> &'static str {
        "Longest wait of the lowest priority"
    }

    fn about(&self) -> &'static str {
        "One agent does 10 tasks a second. There are always 50 tasks of priority 10 for it, replaced as they are claimed; every \
         10 seconds one of priority 0 comes. A step of priority is worth 60 s, so priority 0 may wait 600 s, and as long as the \
         work takes that stands before it by then (the *bound*). The store has a clock that the bench moves a second at a time, \
         so an hour passes in moments; waits are in that time."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        [MEMORY, SQLITE].map(|store| Case::default().with("store", store)).into()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let clock = Arc::new(ManualClock::default());
        let ground = match case.get("store") {
            MEMORY => Ground::memory(Arc::clone(&clock) as Arc<dyn Clock>),
            _ => Ground::sqlite_with(&plan.scratch, Arc::clone(&clock) as Arc<dyn Clock>).await?,
        };
        let seconds = plan.choose(700, 3600);
        let waits = saturate(&ground.store, &clock, seconds).await?;
        ground.close().await;
        // What waits at the end has waited, too.
        let longest =
            waits.low.iter().max().copied().context("a task of the lowest priority was claimed")?.max(waits.left);
        let figures = vec![
            Figure::count("priority 0 claimed", waits.low.len() as u64),
            Figure::count("priority 10 claimed", waits.high.len() as u64),
            Figure::new("longest wait of priority 0", Unit::Seconds, longest.as_secs_f64()),
            Figure::new("bound", Unit::Seconds, bound().as_secs_f64()),
            Figure::new(
                "longest wait of priority 10",
                Unit::Seconds,
                waits.high.iter().max().copied().unwrap_or_default().as_secs_f64(),
            ),
        ];
        Ok(figures.into())
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let reached = summary.median(&[("store", SQLITE)], "longest wait of priority 0");
        let target = |wait| {
            let what = "longest wait of priority 0 behind saturating priority 10";
            Target::at_most(what, bound().as_secs_f64(), Figure::new("wait", Unit::Seconds, wait))
        };
        reached.map(target).into_iter().collect()
    }
}

/// Once a task of the lowest priority is as old as the steps are worth, nothing new goes before it: what stands before it is
/// at most the backlog, of which the agent does so much a second.
fn bound() -> Duration {
    let before = u32::try_from(BACKLOG.div_ceil(PER_SECOND)).unwrap_or(u32::MAX);
    AGEING_STEP * STEPS + TICK * (before + 1)
}

/// How long the tasks waited, by their priority.
#[derive(Debug, Default)]
struct Waits {
    low: Vec<Duration>,
    high: Vec<Duration>,
    /// Of the oldest of the lowest priority that is left at the end.
    left: Duration,
}

async fn saturate(store: &Arc<dyn TaskStore>, clock: &ManualClock, seconds: usize) -> anyhow::Result<Waits> {
    let worker = Worker::beside(store, 0)?;
    let (lowest, highest) = (Urgency::LOWEST, Urgency::HIGHEST);
    let task = |priority| NewTask { priority, ..life::task(&worker.agent) };
    let (mut waits, mut reports, mut missing) = (Waits::default(), Vec::new(), BACKLOG);
    let mut submitted_low: VecDeque<Timestamp> = VecDeque::new();
    for second in 0..seconds {
        let mut tasks: Vec<_> = (0..missing).map(|_| task(highest)).collect();
        if second % LOW_EVERY == 0 {
            tasks.push(task(lowest));
            submitted_low.push_back(clock.now());
        }
        store.submit(Submission::of("bench", tasks)).await?;
        let mut request = worker.hello().asking(PER_SECOND, Duration::ZERO);
        request.reports = std::mem::take(&mut reports);
        let answer = store.claim(&worker.agent, request).await?;
        ensure!(answer.claims.len() == PER_SECOND, "the queue is never empty");
        missing = 0;
        for claimed in &answer.claims {
            let wait = clock.now().since(claimed.task.created_at);
            if claimed.task.spec.priority == lowest {
                let first = submitted_low.pop_front().context("it was submitted")?;
                ensure!(first == claimed.task.created_at, "equal priorities keep their order");
                waits.low.push(wait);
            } else {
                missing += 1;
                waits.high.push(wait);
            }
            reports.push(life::completed(claimed));
        }
        clock.advance(TICK);
    }
    waits.left = submitted_low.front().map_or(Duration::ZERO, |at| clock.now().since(*at));
    Ok(waits)
}
