//! After a crash: how long until the store answers again, and whether it has kept what it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use graphium_core::clock::SystemClock;
use graphium_core::id::{Attempt, TaskId};
use graphium_core::store::{MAX_SLOTS, StoreErrorKind, TaskStore};
use graphium_core::task::TaskStatus;
use tokio::time::{Instant, timeout_at};

use crate::child::Child;
use crate::ground::Ground;
use crate::life::{self, Worker};
use crate::part::{Part, Plan, Target};
use crate::roles::Acknowledged;
use crate::sample::{Case, Figure, Finding, Unit};
use crate::summary::Summary;

const AGENTS: usize = 16;

/// `kill -9` under load.
pub(crate) struct Recovery;

#[async_trait(?Send)]
impl Part for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn title(&self) -> &'static str {
        "Killed under load"
    }

    fn about(&self) -> &'static str {
        "A process holds a SQLite store with 100,000 open tasks; 16 agents claim and complete them and submit as many new ones. \
         In the midst of it the process gets `kill -9`. *Reopened* is how long opening the file takes then, *first claim* until \
         the first claim is answered. *Lost* counts submits and completions that had been acknowledged and are not there \
         afterwards, *duplicated* tasks that were given out again under an attempt number already acknowledged, or although \
         their completion was. All open tasks are then claimed, to see them."
    }

    fn cases(&self, plan: &Plan) -> Vec<Case> {
        vec![Case::default().with("open tasks", plan.choose(1_000, 100_000))]
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let folder = tempfile::tempdir_in(&plan.scratch)?;
        let path = folder.path().join("graphium.db");
        let load = Duration::from_millis(plan.choose(500, 3_000));
        let oracle = crash(&path, case.get("open tasks"), load).await?;
        let began = Instant::now();
        let ground = Ground::at(&path, Arc::new(SystemClock)).await?;
        let reopened = began.elapsed();
        let (store, mut claims) = (&ground.store, Vec::new());
        let mut workers = Vec::new();
        for number in 0..AGENTS {
            workers.push(Worker::beside(store, number)?);
        }
        let first = workers[0].claim().await?;
        let claimed = began.elapsed();
        claims.push((first.task.id(), first.attempt()));
        for worker in &workers {
            claims.extend(claim_all(worker).await?);
        }
        let lost = oracle.lost(store).await?;
        let duplicated = oracle.duplicated(&claims);
        ground.close().await;
        let millis = |name: &str, time: Duration| Figure::new(name, Unit::Millis, time.as_secs_f64() * 1000.0);
        let figures = vec![
            millis("reopened", reopened),
            millis("first claim", claimed),
            Figure::count("acknowledged", oracle.acknowledged as u64),
            Figure::count("lost", lost),
            Figure::count("duplicated", duplicated),
        ];
        Ok(figures.into())
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let target = |figure: &str, what: &str| {
            let reached = summary.median(&[], figure)?;
            Some(Target::at_most(what, 0.0, Figure::new(figure, Unit::Count, reached)))
        };
        let targets = [target("lost", "lost by `kill -9` under load"), target("duplicated", "duplicated by it")];
        targets.into_iter().flatten().collect()
    }
}

/// What the killed process had been told.
#[derive(Debug, Default)]
struct Oracle {
    submitted: BTreeSet<TaskId>,
    claimed: BTreeMap<TaskId, Attempt>,
    completed: BTreeSet<TaskId>,
    acknowledged: usize,
}

/// Lets a process fill the store and work on it for a while, and kills it.
async fn crash(path: &Path, open: &str, load: Duration) -> anyhow::Result<Oracle> {
    let (path, agents) = (path.to_str().context("the folder has a name in UTF-8")?, AGENTS.to_string());
    let mut process = Child::role("hold", [path, open, &agents])?;
    let mut oracle = Oracle::default();
    while oracle.hear(process.hear().await?) {}
    let until = Instant::now() + load;
    while let Ok(said) = timeout_at(until, process.hear()).await {
        oracle.hear(said?);
    }
    let mut rest = process.kill().await?;
    // The last line may be cut: then nobody was told.
    let last = rest.pop();
    for line in rest {
        oracle.hear(serde_json::from_str(&line)?);
    }
    if let Some(Ok(said)) = last.map(|line| serde_json::from_str(&line)) {
        oracle.hear(said);
    }
    Ok(oracle)
}

impl Oracle {
    /// Notes what was acknowledged. Answers whether the store is still being filled.
    fn hear(&mut self, said: Acknowledged) -> bool {
        self.acknowledged += 1;
        match said {
            Acknowledged::Submitted(ids) => {
                self.acknowledged += ids.len() - 1;
                self.submitted.extend(ids);
            }
            Acknowledged::Claimed(id, attempt) => {
                self.claimed.insert(id, attempt);
            }
            Acknowledged::Completed(id) => {
                self.completed.insert(id);
            }
            Acknowledged::Filled => {
                self.acknowledged -= 1;
                return false;
            }
        }
        true
    }

    async fn lost(&self, store: &Arc<dyn TaskStore>) -> anyhow::Result<u64> {
        let mut lost = 0;
        for id in &self.submitted {
            match store.task(*id).await {
                Ok(task) if self.completed.contains(id) && task.status() != TaskStatus::Completed => lost += 1,
                Ok(_) => {}
                Err(error) if error.kind() == StoreErrorKind::NotFound => lost += 1,
                Err(error) => bail!(error),
            }
        }
        Ok(lost)
    }

    fn duplicated(&self, claims: &[(TaskId, Attempt)]) -> u64 {
        let mut given = BTreeSet::new();
        let again = claims.iter().filter(|(id, attempt)| {
            let known = self.claimed.get(id).is_some_and(|known| attempt <= known);
            known || self.completed.contains(id) || !given.insert((*id, *attempt))
        });
        again.count() as u64
    }
}

/// Claims all that is open for an agent and completes it.
async fn claim_all(worker: &Worker) -> anyhow::Result<Vec<(TaskId, Attempt)>> {
    let (mut claims, mut reports) = (Vec::new(), Vec::new());
    loop {
        let mut request = worker.hello().asking(MAX_SLOTS, Duration::ZERO);
        request.reports = std::mem::take(&mut reports);
        let answer = worker.store.claim(&worker.agent, request).await?;
        ensure!(answer.directives.is_empty(), "nothing is taken from the only session");
        if answer.claims.is_empty() {
            return Ok(claims);
        }
        claims.extend(answer.claims.iter().map(|claimed| (claimed.task.id(), claimed.attempt())));
        reports = answer.claims.iter().map(life::completed).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_under_a_known_attempt_or_of_a_completed_task_is_a_duplicate() {
        let [fresh, again, done, twice] = [(); 4].map(|()| TaskId::generate());
        let mut oracle = Oracle::default();
        assert!(oracle.hear(Acknowledged::Submitted(vec![fresh, again, done, twice])));
        assert!(oracle.hear(Acknowledged::Claimed(again, Attempt(1))));
        assert!(oracle.hear(Acknowledged::Completed(done)));
        assert!(!oracle.hear(Acknowledged::Filled));
        assert_eq!(oracle.acknowledged, 6);

        let one = Attempt(1);
        assert_eq!(oracle.duplicated(&[(fresh, one), (again, Attempt(2)), (twice, one)]), 0);
        assert_eq!(oracle.duplicated(&[(again, one), (done, Attempt(2)), (twice, one), (twice, one)]), 3);
    }
}
