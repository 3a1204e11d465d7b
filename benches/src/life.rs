//! A full task life: submitted, claimed and completed, each answered durably.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use graphium_core::id::{AgentId, SessionId, TaskId};
use graphium_core::store::{
    AgentStore, ClaimRequest, Claimed, Report, ReportAnswer, ReportReceipt, ReportedStatus, Submission, TaskStore,
};
use graphium_core::task::{NewTask, Outcome, TaskType};
use graphium_http::client::Client;
use graphium_http::wire::SubmitTask;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The payload of every task, here and at the peers, has about so many bytes as JSON.
const PAYLOAD: usize = 200;
/// The machine that every agent of a bench is on.
pub(crate) const MACHINE: &str = "bench";
/// Longer than any claim of a bench waits for work that is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A payload of 200 bytes.
pub(crate) fn payload() -> Value {
    json!({ "text": "x".repeat(PAYLOAD - 11) })
}

/// A task of the benches.
pub(crate) fn task(agent: &AgentId) -> NewTask {
    NewTask::new(agent.clone(), noop()).with_payload(payload())
}

/// The type of every task of the benches.
pub(crate) fn noop() -> TaskType {
    TaskType::Custom("noop".into())
}

/// The agent with this number.
pub(crate) fn agent(number: usize) -> anyhow::Result<AgentId> {
    Ok(AgentId::new(format!("agent-{number}"))?)
}

/// That the task of this claim is completed.
pub(crate) fn completed(claimed: &Claimed) -> Report {
    let status = ReportedStatus::Completed(Outcome::default());
    Report { task: claimed.task.id(), attempt: claimed.attempt(), status }
}

/// One agent: the side that claims and reports.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) store: Arc<dyn AgentStore>,
    pub(crate) agent: AgentId,
    session: SessionId,
}

impl Worker {
    pub(crate) fn new(store: Arc<dyn AgentStore>, agent: AgentId) -> Self {
        Self { store, agent, session: SessionId::generate() }
    }

    /// The agent with this number, in the process of the store.
    pub(crate) fn beside(store: &Arc<dyn TaskStore>, number: usize) -> anyhow::Result<Self> {
        Ok(Self::new(Arc::<dyn TaskStore>::clone(store), agent(number)?))
    }

    /// A call of its session.
    pub(crate) fn hello(&self) -> ClaimRequest {
        ClaimRequest::hello(self.session, MACHINE)
    }

    /// Claims one task, which must be there.
    pub(crate) async fn claim(&self) -> anyhow::Result<Claimed> {
        self.claim_after(None).await
    }

    /// Claims one task, which must be there, and reports the one before as completed in the same call.
    pub(crate) async fn claim_after(&self, done: Option<Claimed>) -> anyhow::Result<Claimed> {
        let mut request = self.hello().asking(1, PATIENCE);
        request.reports = done.iter().map(completed).collect();
        let answer = self.store.claim(&self.agent, request).await?;
        ensure!(answer.receipts.iter().all(accepted), "a first report counts: {:?}", answer.receipts);
        answer.claims.into_iter().next().context("a submitted task is claimed")
    }

    /// Claims up to so many tasks, of which one must be there.
    pub(crate) async fn claim_up_to(&self, slots: usize) -> anyhow::Result<Vec<Claimed>> {
        Ok(self.store.claim(&self.agent, self.hello().asking(slots, PATIENCE)).await?.claims)
    }

    /// Reports one task as completed, in a call of its own.
    pub(crate) async fn complete(&self, claimed: &Claimed) -> anyhow::Result<()> {
        self.complete_all(std::slice::from_ref(claimed)).await
    }

    /// Reports tasks as completed, in one call.
    pub(crate) async fn complete_all(&self, claimed: &[Claimed]) -> anyhow::Result<()> {
        let mut done = self.hello();
        done.reports = claimed.iter().map(completed).collect();
        let answer = self.store.claim(&self.agent, done).await?;
        ensure!(answer.receipts.len() == claimed.len(), "a report has a receipt");
        ensure!(answer.receipts.iter().all(accepted), "a first report counts: {:?}", answer.receipts);
        Ok(())
    }
}

fn accepted(receipt: &ReportReceipt) -> bool {
    receipt.answer == ReportAnswer::Accepted
}

/// The side that submits.
#[derive(Debug, Clone)]
pub(crate) enum Submitter {
    Store(Arc<dyn TaskStore>),
    Http(Client),
}

impl Submitter {
    /// Submits one task, in a call of its own.
    pub(crate) async fn submit(&self, agent: &AgentId) -> anyhow::Result<()> {
        match self {
            Self::Store(store) => submit(&**store, agent).await.map(drop),
            Self::Http(client) => submit_with(client, agent, payload()).await,
        }
    }
}

/// Submits one task with this payload through HTTP.
pub(crate) async fn submit_with(client: &Client, agent: &AgentId, payload: Value) -> anyhow::Result<()> {
    let task = SubmitTask { payload, ..SubmitTask::new(agent.clone(), noop()) };
    client.submit(&task).await?;
    Ok(())
}

/// Submits one task, in a call of its own.
pub(crate) async fn submit(store: &dyn TaskStore, agent: &AgentId) -> anyhow::Result<TaskId> {
    let submitted = store.submit(Submission::of("bench", [task(agent)])).await?;
    Ok(submitted.tasks.first().context("a submission has its task")?.id())
}

/// Lives so many lives one after the other, three calls each.
async fn live(store: Arc<dyn TaskStore>, worker: Worker, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        submit(&*store, &worker.agent).await?;
        let claimed = worker.claim().await?;
        worker.complete(&claimed).await?;
    }
    Ok(())
}

/// Lives about so many lives by so many callers at once, each an agent of its own. Answers with the lives per second.
pub(crate) async fn rate(store: &Arc<dyn TaskStore>, callers: usize, lives: usize) -> anyhow::Result<f64> {
    let each = lives.div_ceil(callers);
    let began = Instant::now();
    let mut agents = JoinSet::new();
    for number in 0..callers {
        agents.spawn(live(Arc::clone(store), Worker::beside(store, number)?, each));
    }
    while let Some(ended) = agents.join_next().await {
        ended??;
    }
    Ok(per_second(each * callers, began.elapsed()))
}

/// How many of something happened per second.
pub(crate) fn per_second(count: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let count = count as f64;
    count / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_as_many_bytes_as_it_says() {
        assert_eq!(payload().to_string().len(), PAYLOAD);
    }
}
