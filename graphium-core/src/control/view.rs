//! How a stack is: what is wanted, what was observed and how far the rollout is, kept apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::act::unknown_stack;
use super::record;
use super::world::leaves_instance;
use super::{Control, ControlError, ControlErrorKind};
use crate::clock::Timestamp;
use crate::id::{AgentId, Generation, StackName};
use crate::stack::{
    Deployment, DeploymentAction, DeploymentStatus, Instance, InstanceState, PlacementStrategy, Stack, StackSpec,
    StackStatus, Step, spec_hash,
};
use crate::store::{
    Host, HostState, Page, PageRequest, Record, RecordKey, RecordKind, StoreErrorKind, TaskFilter, paging,
};
use crate::task::{Task, TaskStatus};

/// What is wrong with one record, and not with the store.
pub(super) const CORRUPT: ControlErrorKind = ControlErrorKind::Store(StoreErrorKind::Corrupt);

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
    /// Why nothing more is known of it: what is kept of it cannot be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl StackSummary {
    /// A stack of which only the name can be read.
    fn unreadable(name: StackName, why: &ControlError) -> Self {
        Self {
            name,
            status: StackStatus::Error,
            generation: Generation::default(),
            wanted: 0,
            good: 0,
            waiting_for: Vec::new(),
            unreadable: Some(why.to_string()),
        }
    }
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

    /// A page of stacks, by name. One that cannot be read back stands in it too, and says why.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn stacks(&self, page: PageRequest) -> Result<Page<StackSummary>, ControlError> {
        let records = self.store.records(RecordKind::Stack, "", page).await?;
        let hosts = self.store.hosts().await?;
        let mut items = Vec::with_capacity(records.items.len());
        for found in records.items {
            items.push(self.summary(found, &hosts).await?);
        }
        Ok(Page { items, next: records.next })
    }

    async fn summary(&self, found: Record, hosts: &[Host]) -> Result<StackSummary, ControlError> {
        let name = found.key.name.parse::<StackName>();
        let view = match record::decode::<Stack>(found) {
            Ok(stack) => self.view(stack.value, hosts).await,
            Err(error) => Err(error),
        };
        match (view, name) {
            (Err(error), Ok(name)) if error.kind() == CORRUPT => Ok(StackSummary::unreadable(name, &error)),
            (view, _) => Ok(view?.summary),
        }
    }

    /// A page of the deployments of a stack, oldest first. One that cannot be read back stands in it as failed, and says
    /// why.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn deployments(&self, stack: &StackName, page: PageRequest) -> Result<Page<Deployment>, ControlError> {
        let records = self.store.records(RecordKind::Deployment, &format!("{stack}/"), page).await?;
        Ok(records.map(|found| deployment_of(stack, found)))
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
            unreadable: None,
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
        Ok(paging::all(|page| self.store.tasks(filter.clone(), page)).await?)
    }
}

/// The deployment of a record, or what its name tells of it.
fn deployment_of(stack: &StackName, found: Record) -> Deployment {
    let (key, written_at) = (found.key.clone(), found.updated_at);
    let error = match record::decode::<Deployment>(found) {
        Ok(deployment) => return deployment.value,
        Err(error) => error,
    };
    let generation = key.name.rsplit('/').next().and_then(|number| number.parse().ok());
    let spec = StackSpec {
        name: stack.clone(),
        description: None,
        comment: None,
        strategy: PlacementStrategy::default(),
        host_constraints: Vec::new(),
        host: None,
        network: None,
        containers: Vec::new(),
    };
    Deployment {
        stack: stack.clone(),
        generation: Generation(generation.unwrap_or_default()),
        action: DeploymentAction::Deploy,
        spec,
        spec_from: None,
        steps: Vec::new(),
        status: DeploymentStatus::Failed { reason: error.to_string() },
        warnings: Vec::new(),
        created_by: None,
        started_at: written_at,
        finished_at: Some(written_at),
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
