//! What the benches share: a store to measure, and a full task life.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use graphium_core::clock::SystemClock;
use graphium_core::id::{AgentId, SessionId};
use graphium_core::store::{
    ClaimRequest, MemoryStore, Report, ReportedStatus, SqliteStore, StoreSettings, Submission, TaskStore,
};
use graphium_core::task::{NewTask, Outcome, TaskType};

/// A store and the folder that it lives in.
#[derive(Debug)]
pub struct Bench {
    /// The store.
    pub store: Arc<dyn TaskStore>,
    _folder: tempfile::TempDir,
}

/// The stores that are measured, by name.
pub const STORES: [&str; 2] = ["memory", "sqlite"];

impl Bench {
    /// A fresh store of this name.
    ///
    /// # Errors
    /// When there is no such store, or it cannot be opened.
    pub async fn open(name: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let settings = StoreSettings::default();
        let store: Arc<dyn TaskStore> = match name {
            "memory" => Arc::new(MemoryStore::new(Arc::new(SystemClock), settings)),
            "sqlite" => {
                let path = folder.path().join("bench.db");
                Arc::new(SqliteStore::open(&path, Arc::new(SystemClock), settings).await?)
            }
            other => anyhow::bail!("there is no store {other:?}: choose one of {STORES:?}"),
        };
        Ok(Self { store, _folder: folder })
    }
}

/// Lives `count` full task lives one after the other, as one agent: submit, claim, report, each answered durably.
///
/// # Errors
/// When a step of a life is not answered as it must be.
pub async fn live(store: &dyn TaskStore, agent: AgentId, count: usize) -> anyhow::Result<()> {
    let session = SessionId::generate();
    let noop = TaskType::Custom("noop".into());
    let payload = serde_json::json!({ "text": "x".repeat(180) });
    for _ in 0..count {
        let task = NewTask::new(agent.clone(), noop.clone()).with_payload(payload.clone());
        store.submit(Submission::of("bench", [task])).await?;

        let asking = ClaimRequest::hello(session, "bench").asking(1, Duration::from_secs(1));
        let answer = store.claim(&agent, asking).await?;
        let claimed = answer.claims.first().context("a submitted task is claimed")?;

        let mut done = ClaimRequest::hello(session, "bench");
        let status = ReportedStatus::Completed(Outcome::default());
        done.reports.push(Report { task: claimed.task.id(), attempt: claimed.attempt(), status });
        store.claim(&agent, done).await?;
    }
    Ok(())
}
