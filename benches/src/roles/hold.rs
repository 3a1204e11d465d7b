//! A process that holds a store with many open tasks, works on it, and says what was acknowledged, until it is killed.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use graphium_core::clock::SystemClock;
use graphium_core::id::{Attempt, TaskId};
use graphium_core::store::{MAX_TASKS_PER_SUBMISSION, Submission, TaskStore};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::say;
use crate::ground::Ground;
use crate::life::{self, Worker};

/// The file, how many tasks are open, and by how many agents they are worked on.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    database: PathBuf,
    open: usize,
    agents: usize,
}

/// What the store has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Acknowledged {
    Submitted(Vec<TaskId>),
    Claimed(TaskId, Attempt),
    Completed(TaskId),
    /// All that is to be open is submitted; the load begins.
    Filled,
}

impl Hold {
    pub(super) async fn play(self) -> anyhow::Result<()> {
        let ground = Ground::at(&self.database, Arc::new(SystemClock)).await?;
        let store = &ground.store;
        let workers = (0..self.agents).map(|number| Worker::beside(store, number)).collect::<Result<Vec<_>, _>>()?;
        let mut left = self.open;
        while left > 0 {
            let count = left.min(MAX_TASKS_PER_SUBMISSION);
            let tasks = (0..count).map(|number| life::task(&workers[number % workers.len()].agent));
            let submitted = store.submit(Submission::of("bench", tasks)).await?;
            say(&Acknowledged::Submitted(submitted.tasks.iter().map(graphium_core::task::Task::id).collect()))?;
            left -= count;
        }
        say(&Acknowledged::Filled)?;
        let mut working = JoinSet::new();
        for worker in workers {
            working.spawn(work(Arc::clone(store), worker));
        }
        while let Some(ended) = working.join_next().await {
            ended??;
        }
        bail!("the load ends only when the process is killed")
    }
}

/// As many are submitted as are completed, so that as many are open.
async fn work(store: Arc<dyn TaskStore>, worker: Worker) -> anyhow::Result<()> {
    loop {
        let id = life::submit(&*store, &worker.agent).await?;
        say(&Acknowledged::Submitted(vec![id]))?;
        let claimed = worker.claim().await?;
        say(&Acknowledged::Claimed(claimed.task.id(), claimed.attempt()))?;
        worker.complete(&claimed).await?;
        say(&Acknowledged::Completed(claimed.task.id()))?;
    }
}
