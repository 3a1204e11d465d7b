//! A mock of each trait.

use async_trait::async_trait;
use mockall::mock;
use tokio::sync::watch;

use crate::deploy::{
    CleanupRequest, DeleteRequest, DeployError, DeployRequest, Deployer, InstanceTarget, LogLine, StepContext,
    UpdateRequest,
};
use crate::event::Event;
use crate::execute::{Execution, Executor};
use crate::id::{AgentId, Seq, TaskId};
use crate::stack::{EngineInfo, Instance};
use crate::store::{
    AgentStore, ClaimAnswer, ClaimRequest, EventFilter, Host, InventoryReport, Page, PageRequest, Pruned, Record,
    RecordKey, RecordKind, StoreError, StoreStatus, Submission, Submitted, TaskFilter, TaskHistory, TaskStats,
    TaskStore,
};
use crate::task::{Outcome, PrefetchPayload, Task};

mock! {
    /// A mock of [`AgentStore`].
    #[derive(Debug)]
    pub AgentStore {}

    #[async_trait]
    impl AgentStore for AgentStore {
        async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError>;
        async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError>;
    }
}

mock! {
    /// A mock of [`TaskStore`], its agent's side included.
    #[derive(Debug)]
    pub TaskStore {}

    #[async_trait]
    impl AgentStore for TaskStore {
        async fn claim(&self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimAnswer, StoreError>;
        async fn inventory(&self, agent: &AgentId, report: InventoryReport) -> Result<(), StoreError>;
    }

    #[async_trait]
    impl TaskStore for TaskStore {
        async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError>;
        async fn task(&self, id: TaskId) -> Result<Task, StoreError>;
        async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError>;
        async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError>;
        async fn cancel(&self, id: TaskId, by: &str) -> Result<Task, StoreError>;
        async fn retry(&self, id: TaskId, by: &str) -> Result<Task, StoreError>;
        async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError>;
        async fn records(&self, kind: RecordKind, prefix: &str, page: PageRequest) -> Result<Page<Record>, StoreError>;
        async fn events(&self, after: Seq, filter: EventFilter, limit: usize) -> Result<(Vec<Event>, Seq), StoreError>;
        fn head(&self) -> watch::Receiver<Seq>;
        async fn hosts(&self) -> Result<Vec<Host>, StoreError>;
        async fn stats(&self) -> Result<TaskStats, StoreError>;
        async fn sweep(&self) -> Result<usize, StoreError>;
        async fn prune(&self) -> Result<Pruned, StoreError>;
        async fn status(&self) -> Result<StoreStatus, StoreError>;
        async fn confirm_restore(&self, by: &str) -> Result<StoreStatus, StoreError>;
    }
}

mock! {
    /// A mock of [`Deployer`].
    #[derive(Debug)]
    pub Deployer {}

    #[async_trait]
    impl Deployer for Deployer {
        async fn deploy(&self, request: &DeployRequest, context: &StepContext) -> Result<Outcome, DeployError>;
        async fn delete(&self, request: &DeleteRequest, context: &StepContext) -> Result<Outcome, DeployError>;
        async fn stop(
            &self,
            target: &InstanceTarget,
            timeout: Option<u32>,
            context: &StepContext,
        ) -> Result<Outcome, DeployError>;
        async fn start(&self, target: &InstanceTarget, context: &StepContext) -> Result<Outcome, DeployError>;
        async fn restart(
            &self,
            target: &InstanceTarget,
            timeout: Option<u32>,
            context: &StepContext,
        ) -> Result<Outcome, DeployError>;
        async fn update(&self, request: &UpdateRequest, context: &StepContext) -> Result<Outcome, DeployError>;
        async fn prefetch(&self, payload: &PrefetchPayload, context: &StepContext) -> Result<Outcome, DeployError>;
        async fn cleanup(&self, request: &CleanupRequest, context: &StepContext) -> Result<Outcome, DeployError>;
        async fn observe(&self) -> Result<Vec<Instance>, DeployError>;
        async fn engine(&self) -> Result<EngineInfo, DeployError>;
        async fn logs(&self, target: &InstanceTarget, lines: usize) -> Result<Vec<LogLine>, DeployError>;
        async fn changed(&self);
    }
}

mock! {
    /// A mock of [`Executor`].
    ///
    /// ```
    /// use graphium_core::deploy::StepContext;
    /// use graphium_core::execute::{Execution, Executor, ExecutorRegistry};
    /// use graphium_core::id::AgentId;
    /// use graphium_core::task::{Outcome, TaskType};
    /// use graphium_core::testing::MockExecutor;
    ///
    /// # use std::sync::Arc;
    /// # use graphium_core::clock::ManualClock;
    /// # use graphium_core::store::{MemoryStore, StoreSettings, Submission, TaskStore};
    /// # use graphium_core::task::NewTask;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = MemoryStore::new(Arc::new(ManualClock::default()), StoreSettings::default());
    /// # let task = NewTask::new(AgentId::new("vm1")?, TaskType::Custom("backup".into()));
    /// # let task = store.submit(Submission::of("ann", [task])).await?.tasks.remove(0);
    /// let mut backup = MockExecutor::new();
    /// backup.expect_execute().times(1).returning(|_, _| Execution::Completed(Outcome::default()));
    /// let executors = ExecutorRegistry::default().with(TaskType::Custom("backup".into()), Arc::new(backup));
    /// let execution = executors.execute(&task, &StepContext::detached()).await;
    /// assert_eq!(execution, Execution::Completed(Outcome::default()));
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub Executor {}

    #[async_trait]
    impl Executor for Executor {
        async fn execute(&self, task: &Task, context: &StepContext) -> Execution;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::deploy::DeployErrorKind;
    use crate::execute::{DeployExecutor, ExecutorRegistry};
    use crate::store::{MemoryStore, StoreErrorKind, StoreSettings};
    use crate::task::{NewTask, TaskType};

    async fn task_of(new: NewTask) -> Task {
        let store = MemoryStore::new(Arc::new(ManualClock::default()), StoreSettings::default());
        store.submit(Submission::of("ann", [new])).await.unwrap().tasks.remove(0)
    }

    #[tokio::test]
    async fn a_mock_stands_in_for_each_trait() {
        let mut deployer = MockDeployer::new();
        deployer
            .expect_stop()
            .times(1)
            .withf(|target, timeout, _| target.slot.0 == 0 && *timeout == Some(3))
            .returning(|_, _, _| Err(DeployError::new(DeployErrorKind::Unavailable, "the engine sleeps")));
        let executor = DeployExecutor::new(Arc::new(deployer));
        let stop = NewTask::new(AgentId::new("vm1").unwrap(), TaskType::Stop);
        let task = task_of(stop.with_payload(serde_json::json!({ "containerName": "web", "timeout": 3 }))).await;
        let Execution::Failed(failure) = executor.execute(&task, &StepContext::detached()).await else {
            panic!("it failed")
        };
        assert!(failure.message.contains("sleeps"), "{failure}");

        let mut executor = MockExecutor::new();
        executor.expect_execute().times(1).returning(|_, _| Execution::Cancelled(None));
        let registry = ExecutorRegistry::default().with(TaskType::Stop, Arc::new(executor));
        assert_eq!(registry.execute(&task, &StepContext::detached()).await, Execution::Cancelled(None));

        let mut store = MockTaskStore::new();
        store.expect_sweep().times(1).returning(|| Err(StoreError::new(StoreErrorKind::Unavailable, "not now")));
        let store: Arc<dyn TaskStore> = Arc::new(store);
        assert_eq!(store.sweep().await.unwrap_err().kind(), StoreErrorKind::Unavailable);

        let mut side = MockAgentStore::new();
        let answer = ClaimAnswer { lease: Duration::from_secs(30), ..ClaimAnswer::default() };
        let told = answer.clone();
        side.expect_claim().times(1).returning(move |_, _| Ok(told.clone()));
        let hello = ClaimRequest::hello(crate::id::SessionId::generate(), "m1");
        assert_eq!(side.claim(&AgentId::new("vm1").unwrap(), hello).await.unwrap(), answer);
    }
}
