//! A task to be submitted, as the wire and the inbox write it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{IdempotencyKey, Lane, NewTask, Placed, Priority, Seconds, TaskType};
use crate::id::{AgentId, ContainerName, Generation, Slot, StackName, TaskId};

/// A task to be submitted. What is left out gets the default of its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitTask {
    /// Its id, where tasks of one submission depend on each other.
    #[serde(rename = "@id", alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TaskId>,
    /// `AgentTask`, if anything.
    #[serde(rename = "@type", default, skip_serializing_if = "Option::is_none")]
    pub ld_type: Option<String>,
    /// The kind of work.
    pub task_type: TaskType,
    /// The agent that does it.
    #[serde(alias = "hostId")]
    pub agent_id: AgentId,
    /// The stack it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackName>,
    /// The container spec it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<ContainerName>,
    /// The replica it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// The deployment it serves: the latest of the stack, and so it is when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Its urgency. 0 is a real value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What the executor needs to know.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub payload: Value,
    /// How many further attempts a retryable failure gets. 0 is a real value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// The deadline of an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<Seconds>,
    /// Tasks that must be completed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TaskId>,
    /// The caller's own name for this submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
}

impl SubmitTask {
    /// A task of this type for this agent, with the defaults.
    #[must_use]
    pub fn new(agent: AgentId, task_type: TaskType) -> Self {
        Self {
            id: None,
            ld_type: None,
            task_type,
            agent_id: agent,
            stack_id: None,
            container_id: None,
            slot: None,
            generation: None,
            priority: None,
            payload: Value::Null,
            max_retries: None,
            timeout_seconds: None,
            depends_on: Vec::new(),
            idempotency_key: None,
        }
    }

    /// The task to submit. `latest` is the latest generation of its stack, none where there is no such stack: then
    /// the task is of no deployment. What the body says itself is not taken, or it could outrun every deployment.
    #[must_use]
    pub fn into_task(self, latest: Option<Generation>, created_by: &str) -> NewTask {
        let mut task = NewTask::new(self.agent_id, self.task_type);
        let slot = self.slot.unwrap_or_else(|| Slot(named(&task, &self.payload).2));
        let container = self.container_id.or_else(|| named(&task, &self.payload).1);
        let stack = self.stack_id.or_else(|| named(&task, &self.payload).0);
        task.lane = lane(&task, stack.as_ref(), container.as_ref(), slot);
        task.placed = stack.zip(latest).map(|(stack, generation)| Placed { stack, generation, container, slot });
        task.id = self.id.unwrap_or(task.id);
        task.priority = self.priority.unwrap_or(task.priority);
        task.max_retries = self.max_retries.unwrap_or(task.max_retries);
        task.timeout = self.timeout_seconds.map_or(task.timeout, |seconds| seconds.0);
        task.payload = self.payload;
        task.depends_on = self.depends_on;
        task.idempotency_key = self.idempotency_key;
        task.created_by = Some(created_by.to_owned());
        task
    }

    /// The stack it serves, as it says itself or as its payload does.
    #[must_use]
    pub fn stack(&self) -> Option<StackName> {
        self.stack_id.clone().or_else(|| stack_of(&self.payload))
    }
}

fn stack_of(payload: &Value) -> Option<StackName> {
    payload["stack"].as_str().and_then(|name| name.parse().ok())
}

fn named(task: &NewTask, payload: &Value) -> (Option<StackName>, Option<ContainerName>, u32) {
    let name = match &task.task_type {
        TaskType::Deploy => &payload["containerSpec"]["name"],
        TaskType::Delete | TaskType::Stop | TaskType::Start | TaskType::Restart | TaskType::Update => {
            &payload["containerName"]
        }
        TaskType::Prefetch | TaskType::Cleanup | TaskType::Custom(_) => return (None, None, 0),
    };
    let slot = payload["slot"].as_u64().and_then(|slot| u32::try_from(slot).ok()).unwrap_or(0);
    (stack_of(payload), name.as_str().and_then(|name| name.parse().ok()), slot)
}

/// Work on one instance is done one after the other, whoever submits it.
fn lane(task: &NewTask, stack: Option<&StackName>, container: Option<&ContainerName>, slot: Slot) -> Option<Lane> {
    match (&task.task_type, stack, container) {
        (TaskType::Custom(_), _, _) => None,
        (TaskType::Prefetch | TaskType::Cleanup, Some(stack), _) => Some(Lane::stack(&task.agent, stack)),
        (_, stack, Some(container)) => Some(Lane::instance(&task.agent, stack, container, slot)),
        (_, _, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn submit(body: Value) -> NewTask {
        serde_json::from_value::<SubmitTask>(body).unwrap().into_task(Some(Generation(4)), "ana")
    }

    #[test]
    fn what_is_left_out_gets_the_default_of_the_type() {
        let task = submit(json!({ "taskType": "stop", "agentId": "vm1", "payload": { "containerName": "web" } }));
        assert_eq!((task.priority.get(), task.max_retries, task.timeout.as_secs()), (6, 2, 60));
        assert_eq!(task.created_by.as_deref(), Some("ana"));
    }

    #[test]
    fn zero_is_a_real_priority_and_a_real_number_of_retries() {
        let task = submit(json!({ "taskType": "x", "agentId": "vm1", "priority": 0, "maxRetries": 0 }));
        assert_eq!((task.priority.get(), task.max_retries), (0, 0));
    }

    #[test]
    fn two_bare_tasks_on_one_container_share_a_lane() {
        let deploy = submit(json!({
            "taskType": "deploy", "agentId": "vm1", "payload": { "containerSpec": { "name": "web", "image": "x" } }
        }));
        let stop = submit(json!({ "taskType": "stop", "agentId": "vm1", "payload": { "containerName": "web" } }));
        assert!(deploy.lane.is_some());
        assert_eq!(deploy.lane, stop.lane);
    }

    #[test]
    fn a_task_of_a_stack_belongs_to_its_latest_generation() {
        let task = submit(json!({ "taskType": "restart", "agentId": "vm1", "stackId": "shop", "containerId": "web" }));
        assert_eq!(task.placed.unwrap().generation, Generation(4));
    }

    #[test]
    fn a_task_of_no_known_stack_is_of_no_deployment_and_keeps_its_lane() {
        let body = json!({ "taskType": "restart", "agentId": "vm1", "stackId": "shop", "containerId": "web",
            "generation": 9, "payload": { "containerName": "web" } });
        let task = serde_json::from_value::<SubmitTask>(body).unwrap().into_task(None, "ana");
        assert_eq!(task.placed, None);
        assert!(task.lane.is_some());
    }

    #[test]
    fn a_misspelt_field_is_refused_by_name() {
        let body = json!({ "taskType": "x", "agentId": "vm1", "maxRetrys": 3 });
        assert!(serde_json::from_value::<SubmitTask>(body).unwrap_err().to_string().contains("maxRetrys"));
    }
}
