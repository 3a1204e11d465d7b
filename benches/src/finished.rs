//! Stores with many finished tasks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use graphium_core::clock::SystemClock;
use graphium_core::store::{MAX_SLOTS, MAX_TASKS_PER_SUBMISSION, Submission};
use graphium_core::task::NewTask;
use serde::Deserialize;

use crate::child::Child;
use crate::ground::Ground;
use crate::life::{self, Worker};
use crate::peers::python;

/// So many are really lived; what is more is copied from them.
const LIVED: usize = 10_000;
/// They belong to so many agents.
const AGENTS: usize = 100;

/// What the copying program says at its end.
#[derive(Debug, Deserialize)]
struct Copied {
    finished: usize,
}

/// Makes a store in this file with about so many finished tasks.
pub(crate) async fn fill(path: &Path, count: usize) -> anyhow::Result<()> {
    let ground = Ground::at(path, Arc::new(SystemClock)).await?;
    for number in 0..AGENTS {
        let worker = Worker::beside(&ground.store, number)?;
        finish(&ground, &worker, count.min(LIVED) / AGENTS).await?;
    }
    ground.close().await;
    if count > LIVED {
        let script = python::script("python/finished_tasks.py");
        let arguments = [path.as_os_str().to_owned(), count.to_string().into()];
        let Copied { finished } = Child::python(Path::new(python::ANY), &script, arguments)?.hear().await?;
        ensure!(finished + LIVED > count && finished <= count, "there are {finished} finished tasks, not {count}");
    }
    Ok(())
}

/// Submits so many tasks at once, and claims and completes them in as few calls as can be.
async fn finish(ground: &Ground, worker: &Worker, count: usize) -> anyhow::Result<()> {
    let mut left = count;
    while left > 0 {
        let tasks = (0..left.min(MAX_TASKS_PER_SUBMISSION)).map(|_| NewTask::new(worker.agent.clone(), life::noop()));
        left -= ground.store.submit(Submission::of("bench", tasks)).await?.tasks.len();
    }
    let (mut reports, mut finished) = (Vec::new(), 0);
    while finished < count {
        let mut request = worker.hello().asking(MAX_SLOTS, Duration::ZERO);
        finished += reports.len();
        request.reports = std::mem::take(&mut reports);
        let answer = ground.store.claim(&worker.agent, request).await?;
        ensure!(finished == count || !answer.claims.is_empty(), "all that was submitted is claimed");
        reports = answer.claims.iter().map(life::completed).collect();
    }
    Ok(())
}
