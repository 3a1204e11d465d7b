//! The built-in task types, mapped to a deployer.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Execution, Executor};
use crate::deploy::{
    CleanupRequest, DeleteRequest, DeployError, DeployErrorKind, DeployRequest, Deployer, InstanceTarget, StepContext,
    UpdateRequest,
};
use crate::id::{ContainerName, Slot, StackName};
use crate::task::{
    CleanupPayload, DeletePayload, DeployPayload, Failure, FailureCode, LifecyclePayload, Outcome, PrefetchPayload,
    Task, TaskType, UpdatePayload,
};

/// Runs the built-in task types with a deployer.
#[derive(Debug)]
pub struct DeployExecutor {
    deployer: Arc<dyn Deployer>,
}

/// Why a built-in task did not end well.
enum Trouble {
    /// The payload does not fit, or the type is not built in.
    Refused(Failure),
    /// The deployer could not do it.
    Deploy(DeployError),
}

impl From<DeployError> for Trouble {
    fn from(error: DeployError) -> Self {
        Self::Deploy(error)
    }
}

impl DeployExecutor {
    /// Over this deployer.
    #[must_use]
    pub fn new(deployer: Arc<dyn Deployer>) -> Self {
        Self { deployer }
    }

    async fn run(&self, task: &Task, context: &StepContext) -> Result<Outcome, Trouble> {
        let deployer = &self.deployer;
        let done = match &task.spec.task_type {
            TaskType::Deploy => deployer.deploy(&deploy_request(decode(task)?), context).await,
            TaskType::Delete => deployer.delete(&delete_request(decode(task)?), context).await,
            TaskType::Stop => {
                let (target, timeout) = lifecycle(decode(task)?);
                deployer.stop(&target, timeout, context).await
            }
            TaskType::Start => deployer.start(&lifecycle(decode(task)?).0, context).await,
            TaskType::Restart => {
                let (target, timeout) = lifecycle(decode(task)?);
                deployer.restart(&target, timeout, context).await
            }
            TaskType::Update => deployer.update(&update_request(decode(task)?), context).await,
            TaskType::Prefetch => deployer.prefetch(&decode::<PrefetchPayload>(task)?, context).await,
            TaskType::Cleanup => deployer.cleanup(&cleanup_request(decode(task)?), context).await,
            TaskType::Custom(name) => {
                let message = format!("{name} is no built-in task type; register an executor for it");
                return Err(Trouble::Refused(Failure::new(FailureCode::Unsupported, message)));
            }
        };
        Ok(done?)
    }
}

#[async_trait]
impl Executor for DeployExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Execution {
        match self.run(task, context).await {
            Ok(outcome) => Execution::Completed(outcome),
            Err(Trouble::Refused(failure)) => Execution::Failed(failure),
            Err(Trouble::Deploy(error)) if error.kind() == DeployErrorKind::Cancelled => {
                Execution::Cancelled(Some(error.to_string()))
            }
            Err(Trouble::Deploy(error)) => {
                tracing::debug!(task = %task.id(), error = &error as &dyn std::error::Error, "a task failed");
                Execution::Failed(error.into())
            }
        }
    }
}

fn decode<'a, T: Deserialize<'a>>(task: &'a Task) -> Result<T, Trouble> {
    T::deserialize(&task.spec.payload).map_err(|problem| {
        let message = format!("the payload of this {} task does not fit: {problem}", task.spec.task_type);
        Trouble::Refused(Failure::new(FailureCode::InvalidPayload, message))
    })
}

fn deploy_request(payload: DeployPayload) -> DeployRequest {
    let DeployPayload { container_spec: mut spec, network_config: network, labels, stack, slot, generation, .. } =
        payload;
    spec.labels.extend(labels);
    let pull_policy = payload.pull_policy.unwrap_or(spec.pull_policy);
    let run_to_completion = payload.run_to_completion;
    DeployRequest { stack, spec, slot, generation, network, pull_policy, run_to_completion }
}

fn target(
    runtime_id: Option<String>,
    container: Option<ContainerName>,
    stack: Option<StackName>,
    slot: Slot,
) -> InstanceTarget {
    InstanceTarget { runtime_id, stack, container, slot }
}

fn delete_request(payload: DeletePayload) -> DeleteRequest {
    let DeletePayload { container_id, container_name, stack, slot, force, remove_volumes, stop_timeout } = payload;
    DeleteRequest { target: target(container_id, container_name, stack, slot), force, remove_volumes, stop_timeout }
}

fn lifecycle(payload: LifecyclePayload) -> (InstanceTarget, Option<u32>) {
    let LifecyclePayload { container_id, container_name, stack, slot, timeout } = payload;
    (target(container_id, container_name, stack, slot), timeout)
}

fn update_request(payload: UpdatePayload) -> UpdateRequest {
    let UpdatePayload { container_id, container_name, stack, slot, update_spec } = payload;
    UpdateRequest { target: target(container_id, container_name, stack, slot), changes: update_spec }
}

fn cleanup_request(payload: CleanupPayload) -> CleanupRequest {
    CleanupRequest { stack: payload.stack, remove_volumes: payload.remove_volumes }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deploy::{EngineDeployer, HostIdentity, MemoryRuntime};
    use crate::execute::ExecutorRegistry;
    use crate::execute::example::task_of;
    use crate::id::{AgentId, InstallationId};

    fn host() -> (Arc<EngineDeployer>, ExecutorRegistry) {
        let owner = HostIdentity { installation: InstallationId::generate(), host: AgentId::new("vm1").unwrap() };
        let deployer = Arc::new(EngineDeployer::new(Arc::new(MemoryRuntime::new()), owner));
        let registry = ExecutorRegistry::builtin(Arc::<EngineDeployer>::clone(&deployer));
        (deployer, registry)
    }

    fn action(execution: &Execution) -> &str {
        match execution {
            Execution::Completed(outcome) => outcome.instances.first().map_or("nothing", |report| &report.action),
            Execution::Failed(_) | Execution::Cancelled(_) => panic!("{execution:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_built_in_task_type_does_what_it_is_called() {
        let (deployer, registry) = host();
        let context = StepContext::detached();
        let web = json!({ "containerName": "web", "stack": "shop" });
        let deploy = json!({ "containerSpec": { "name": "web", "image": "web:1" }, "stack": "shop", "generation": 1 });
        let update = json!({ "containerName": "web", "stack": "shop", "updateSpec": { "image": "web:2" } });
        let story = [
            (TaskType::Prefetch, json!({ "images": { "web:1": "if-not-present" } }), "nothing"),
            (TaskType::Deploy, deploy.clone(), "created"),
            (TaskType::Deploy, deploy, "unchanged"),
            (TaskType::Stop, web.clone(), "stopped"),
            (TaskType::Start, web.clone(), "started"),
            (TaskType::Restart, web.clone(), "restarted"),
            (TaskType::Update, update, "replaced"),
            (TaskType::Delete, web.clone(), "removed"),
            (TaskType::Delete, web, "nothing"),
            (TaskType::Cleanup, json!({ "stack": "shop" }), "nothing"),
        ];
        for (task_type, payload, wanted) in story {
            let task = task_of(task_type.clone(), payload);
            let execution = registry.execute(&task, &context).await;
            assert_eq!(action(&execution), wanted, "{task_type}");
        }
        assert!(deployer.observe().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_payload_that_does_not_fit_fails_by_the_field() {
        let (_, registry) = host();
        let task = task_of(TaskType::Stop, json!({ "containerNmae": "web" }));
        let execution = registry.execute(&task, &StepContext::detached()).await;
        let Execution::Failed(failure) = execution else { panic!("{execution:?}") };
        assert_eq!(failure.code, FailureCode::InvalidPayload);
        assert!(failure.message.contains("containerNmae"), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_deploy_says_what_it_undid() {
        let (deployer, registry) = host();
        let context = StepContext::detached();
        let cancel = context.cancel.clone();
        let task = task_of(TaskType::Deploy, json!({ "containerSpec": { "name": "web", "image": "web:1" } }));
        let (execution, ()) = tokio::join!(registry.execute(&task, &context), async {
            while deployer.observe().await.unwrap().is_empty() {}
            cancel.cancel();
        });
        let Execution::Cancelled(Some(undone)) = execution else { panic!("{execution:?}") };
        assert!(undone.contains("removed again"), "{undone}");
        assert!(deployer.observe().await.unwrap().is_empty());
    }
}
