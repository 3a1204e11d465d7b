//! How a stack is: what is wanted, what was observed and how far the rollout is, kept apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::act::unknown_stack;
use super::record::{self, Versioned};
use super::world::{all_tasks, leaves_instance};
use super::{Control, ControlError, ControlErrorKind};
use crate::clock::Timestamp;
use crate::id::{AgentId, Generation, StackName};
use crate::stack::{
    Deployment, DeploymentAction, DeploymentStatus, Instance, InstanceState, Stack, StackStatus, Step, spec_hash,
};
use crate::store::{Host, HostState, Page, PageRequest, RecordKey, RecordKind, TaskFilter};
use crate::task::{Task, TaskStatus};

/// A stack in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StackSummary {
    /// Its name.
    pub name: StackName,
    /// How it is.
    pub status: StackStatus,
    /// Its latest deployment.
    pub generation: Generation,
    /// How many instances its latest deployment wants.
    pub wanted: usize,
    /// How many of them are observed good.
    pub good: usize,
    /// Hosts with work for it that do not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<Waiting>,
}

/// A host that a stack waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The host.
    pub host: AgentId,
    /// Whether it answers; none when it was never seen.
    pub state: Option<HostState>,
    /// How many of its tasks are open.
    pub open_tasks: usize,
}

/// A stack with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StackView {
    /// In short.
    #[serde(flatten)]
    pub summary: StackSummary,
    /// What is wanted.
    pub wanted_stack: Stack,
    /// The latest deployment.
    pub rollout: Deployment,
    /// What its hosts reported.
    pub observed: Vec<HostInstances>,
}

/// What a host reported of one stack, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostInstances {
    /// The host.
    pub host: AgentId,
    /// Whether it answers. The instances of one that does not are what they were, not what they are.
    pub state: HostState,
    /// When it looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub observed_at: Option<Timestamp>,
    /// The instances.
    pub instances: Vec<Instance>,
}

impl Control {
    /// One stack.
    ///
    /// # Errors
    /// [`ControlErrorKind::NotFound`]; those of the store.
    pub async fn stack(&self, stack: &StackName) -> Result<StackView, ControlError> {
        let known = record::read_stack(&*self.store, stack).await?.ok_or_else(|| unknown_stack(stack))?;
        let hosts = self.store.hosts().await?;
        self.view(known.value, &hosts).await
    }

    /// A page of stacks, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn stacks(&self, page: PageRequest) -> Result<Page<StackSummary>, ControlError> {
        let records = self.store.records(RecordKind::Stack, "", page).await?;
        let hosts = self.store.hosts().await?;
        let mut items = Vec::with_capacity(records.items.len());
        for found in records.items {
            let stack: Versioned<Stack> = record::decode(found)?;
            items.push(self.view(stack.value, &hosts).await?.summary);
        }
        Ok(Page { items, next: records.next })
    }

    /// A page of the deployments of a stack, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn deployments(&self, stack: &StackName, page: PageRequest) -> Result<Page<Deployment>, ControlError> {
        let records = self.store.records(RecordKind::Deployment, &format!("{stack}/"), page).await?;
        let decoded: Result<Vec<Versioned<Deployment>>, _> = records.items.into_iter().map(record::decode).collect();
        Ok(Page { items: decoded?.into_iter().map(|deployment| deployment.value).collect(), next: records.next })
    }

    /// One deployment.
    ///
    /// # Errors
    /// [`ControlErrorKind::NotFound`]; those of the store.
    pub async fn deployment(&self, stack: &StackName, generation: Generation) -> Result<Deployment, ControlError> {
        let found = record::read_deployment(&*self.store, stack, generation).await?;
        found.map(|deployment| deployment.value).ok_or_else(|| {
            let key = RecordKey::deployment(stack, generation);
            ControlError::new(ControlErrorKind::NotFound, format!("there is no {key}"))
        })
    }

    async fn view(&self, stack: Stack, hosts: &[Host]) -> Result<StackView, ControlError> {
        let name = stack.spec.name.clone();
        let rollout = self.deployment(&name, stack.generation).await?;
        let open = self.open_tasks(&name).await?;
        let observed: Vec<_> = hosts.iter().filter_map(|host| instances_of(host, &name)).collect();
        let wanted: Vec<&Step> = rollout.steps.iter().filter(|step| leaves_instance(step)).collect();
        let good = wanted.iter().filter(|step| is_good(step, &rollout, &observed)).count();
        let summary = StackSummary {
            status: status(&rollout, &open, &observed, wanted.len(), good),
            generation: stack.generation,
            wanted: wanted.len(),
            good,
            waiting_for: waiting(&open, &rollout, hosts),
            name,
        };
        Ok(StackView { summary, wanted_stack: stack, rollout, observed })
    }

    async fn open_tasks(&self, stack: &StackName) -> Result<Vec<Task>, ControlError> {
        let filter = TaskFilter {
            statuses: vec![TaskStatus::Pending, TaskStatus::Assigned, TaskStatus::Running],
            stack: Some(stack.clone()),
            ..TaskFilter::default()
        };
        all_tasks(&*self.store, filter).await
    }
}

fn instances_of(host: &Host, stack: &StackName) -> Option<HostInstances> {
    let mine = |instance: &&Instance| instance.stack.as_ref() == Some(stack);
    let instances: Vec<_> = host.instances.iter().filter(mine).cloned().collect();
    let found = HostInstances { host: host.id.clone(), state: host.state, observed_at: host.observed_at, instances };
    (!found.instances.is_empty()).then_some(found)
}

/// Whether the instance of the step is observed as wanted on a host that answers.
fn is_good(step: &Step, rollout: &Deployment, observed: &[HostInstances]) -> bool {
    let Some(spec) = rollout.spec.containers.iter().find(|spec| Some(&spec.name) == step.container.as_ref()) else {
        return false;
    };
    let hash = spec_hash(spec, rollout.spec.network.as_ref());
    let on_host = observed.iter().filter(|host| host.host == step.agent && host.state == HostState::Ready);
    on_host.flat_map(|host| &host.instances).any(|instance| {
        instance.container == spec.name
            && instance.slot == step.slot
            && instance.spec_hash == hash
            && (instance.is_good() || instance.is_finished(spec))
    })
}

fn status(rollout: &Deployment, open: &[Task], observed: &[HostInstances], wanted: usize, good: usize) -> StackStatus {
    match (&rollout.status, rollout.action) {
        (DeploymentStatus::Running, DeploymentAction::Delete) => StackStatus::Deleting,
        (DeploymentStatus::Running, DeploymentAction::Stop) => StackStatus::Stopping,
        (DeploymentStatus::Running, _) => {
            let has_begun = open.iter().any(|task| task.attempt.0 > 0)
                || rollout.steps.iter().filter(|step| step.task.is_some()).count() > open.len();
            if has_begun { StackStatus::Deploying } else { StackStatus::Pending }
        }
        (DeploymentStatus::Failed { .. } | DeploymentStatus::Superseded | DeploymentStatus::Cancelled, _) => {
            StackStatus::Error
        }
        (DeploymentStatus::Completed, DeploymentAction::Stop) => {
            let runs = |instance: &Instance| {
                matches!(instance.state, InstanceState::Running | InstanceState::Restarting | InstanceState::Paused)
            };
            let any_runs = observed.iter().flat_map(|host| &host.instances).any(runs);
            if any_runs { StackStatus::Degraded } else { StackStatus::Stopped }
        }
        (DeploymentStatus::Completed, _) if good == wanted => StackStatus::Running,
        (DeploymentStatus::Completed, _) => StackStatus::Degraded,
    }
}

/// The hosts that do not answer and have open tasks, or have not said what they saw after their last one.
fn waiting(open: &[Task], rollout: &Deployment, hosts: &[Host]) -> Vec<Waiting> {
    let mut counts: BTreeMap<&AgentId, usize> = BTreeMap::new();
    if rollout.status == DeploymentStatus::Running {
        let unseen = hosts.iter().filter(|host| !host.is_observed_since_its_last_task());
        let touched = |host: &&Host| rollout.steps.iter().any(|step| step.task.is_some() && step.agent == host.id);
        counts.extend(unseen.filter(touched).map(|host| (&host.id, 0)));
    }
    for task in open {
        *counts.entry(task.agent()).or_default() += 1;
    }
    let state = |id: &AgentId| hosts.iter().find(|host| &host.id == id).map(|host| host.state);
    counts
        .into_iter()
        .map(|(id, open_tasks)| Waiting { host: id.clone(), state: state(id), open_tasks })
        .filter(|waiting| waiting.state != Some(HostState::Ready))
        .collect()
}
