//! What the built-in task types need to know, checked when a task is submitted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TaskType;
use crate::id::{ContainerName, Generation, Slot, StackName};
use crate::stack::{ContainerSpec, NetworkSpec, PullPolicy, Resources, RestartPolicy};

/// Payload of `deploy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployPayload {
    /// The container to bring into being.
    pub container_spec: ContainerSpec,
    /// The network of its stack on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_config: Option<NetworkSpec>,
    /// Labels for the container beside those of its spec.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Overrides the policy of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// The stack it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
    /// The replica.
    #[serde(default)]
    pub slot: Slot,
    /// The deployment it belongs to.
    #[serde(default)]
    pub generation: Generation,
    /// Others wait for it to end: done means that it ended with 0, not that it runs.
    #[serde(default)]
    pub run_to_completion: bool,
}

/// Payload of `delete`: an instance of a stack, or a container by the name of its spec.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletePayload {
    /// The engine's id, where exactly one container is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The name of its spec, or its name on the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ContainerName>,
    /// The stack it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
    /// The replica.
    #[serde(default)]
    pub slot: Slot,
    /// Kill instead of stopping first.
    #[serde(default)]
    pub force: bool,
    /// Remove its anonymous volumes too.
    #[serde(default)]
    pub remove_volumes: bool,
    /// Seconds that it gets to end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
}

/// Payload of `stop`, `start` and `restart`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LifecyclePayload {
    /// The engine's id, where exactly one container is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The name of its spec, or its name on the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ContainerName>,
    /// The stack it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
    /// The replica.
    #[serde(default)]
    pub slot: Slot,
    /// Seconds that it gets to end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// Payload of `update`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdatePayload {
    /// The engine's id, where exactly one container is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The name of its spec, or its name on the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ContainerName>,
    /// The stack it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
    /// The replica.
    #[serde(default)]
    pub slot: Slot,
    /// What to change.
    pub update_spec: UpdateSpec,
}

/// The fields that an `update` changes; what is absent stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSpec {
    /// Another image: needs a new container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Variables to set: needs a new container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Changed in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Changed in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// Payload of `prefetch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrefetchPayload {
    /// The images with the policy of each.
    pub images: BTreeMap<String, PullPolicy>,
}

/// Payload of `cleanup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CleanupPayload {
    /// The stack whose leavings go.
    pub stack: StackName,
    /// Remove its named volumes too.
    #[serde(default)]
    pub remove_volumes: bool,
}

/// A payload that does not fit its task type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of a {task_type} task does not fit: {problem}")]
pub struct PayloadProblem {
    /// The type.
    pub task_type: TaskType,
    /// What does not fit.
    pub problem: String,
}

impl TaskType {
    /// Checks a payload against the type. A custom type takes anything.
    ///
    /// # Errors
    /// [`PayloadProblem`] with what does not fit.
    pub fn check_payload(&self, payload: &Value) -> Result<(), PayloadProblem> {
        let refuse = |problem: String| PayloadProblem { task_type: self.clone(), problem };
        let names_one = |id: &Option<String>, name: &Option<ContainerName>| {
            if id.is_none() && name.is_none() {
                return Err(refuse("one of containerId and containerName is needed".into()));
            }
            Ok(())
        };
        match self {
            Self::Deploy => DeployPayload::deserialize(payload).map(drop).map_err(|e| refuse(e.to_string())),
            Self::Delete => {
                let payload = DeletePayload::deserialize(payload).map_err(|e| refuse(e.to_string()))?;
                names_one(&payload.container_id, &payload.container_name)
            }
            Self::Stop | Self::Start | Self::Restart => {
                let payload = LifecyclePayload::deserialize(payload).map_err(|e| refuse(e.to_string()))?;
                names_one(&payload.container_id, &payload.container_name)
            }
            Self::Update => {
                let payload = UpdatePayload::deserialize(payload).map_err(|e| refuse(e.to_string()))?;
                names_one(&payload.container_id, &payload.container_name)
            }
            Self::Prefetch => PrefetchPayload::deserialize(payload).map(drop).map_err(|e| refuse(e.to_string())),
            Self::Cleanup => CleanupPayload::deserialize(payload).map(drop).map_err(|e| refuse(e.to_string())),
            Self::Custom(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stop_that_names_no_container_is_refused_at_submit() {
        let problem = TaskType::Stop.check_payload(&json!({ "timeout": 3 })).unwrap_err();
        assert!(problem.to_string().contains("containerName"), "{problem}");
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let payload = json!({ "containerName": "web", "tiemout": 3 });
        let problem = TaskType::Stop.check_payload(&payload).unwrap_err();
        assert!(problem.to_string().contains("tiemout"), "{problem}");
    }

    #[test]
    fn a_custom_type_takes_any_payload() {
        assert_eq!(TaskType::Custom("x".into()).check_payload(&json!([1])), Ok(()));
    }
}
