//! What is known of the hosts and of the work under way, read once for one decision.

use std::collections::BTreeSet;

use super::ControlError;
use crate::id::{AgentId, ContainerName, Generation, Slot, StackName};
use crate::placement::HostView;
use crate::plan::Places;
use crate::stack::{Deployment, DeploymentStatus, Instance, Step, StepAction};
use crate::store::{Host, TaskFilter, TaskStore, paging};
use crate::task::{Task, TaskStatus};

/// Where an instance is, or may be.
type Place = (AgentId, ContainerName, Slot);

/// The hosts, and the tasks of one stack that an agent is working on.
#[derive(Debug)]
pub(super) struct World {
    pub(super) hosts: Vec<Host>,
    in_flight: Vec<Task>,
}

impl World {
    pub(super) async fn look(store: &dyn TaskStore, stack: &StackName) -> Result<Self, ControlError> {
        let filter = TaskFilter {
            statuses: vec![TaskStatus::Assigned, TaskStatus::Running],
            stack: Some(stack.clone()),
            ..TaskFilter::default()
        };
        // Tasks first: one that ends between the two reads is then seen in the inventory or forces a check.
        let in_flight = paging::all(|page| store.tasks(filter.clone(), page)).await?;
        Ok(Self { hosts: store.hosts().await?, in_flight })
    }

    pub(super) fn host(&self, id: &AgentId) -> Option<&Host> {
        self.hosts.iter().find(|host| &host.id == id)
    }

    /// The instances of a stack, by host.
    pub(super) fn observed(&self, stack: &StackName) -> Vec<(AgentId, Vec<Instance>)> {
        let of_stack = |host: &Host| -> Vec<Instance> {
            host.instances.iter().filter(|instance| instance.stack.as_ref() == Some(stack)).cloned().collect()
        };
        self.hosts
            .iter()
            .map(|host| (host.id.clone(), of_stack(host)))
            .filter(|(_, instances)| !instances.is_empty())
            .collect()
    }

    /// The newest generation of a stack that a host has.
    pub(super) fn newest_generation(&self, stack: &StackName) -> Generation {
        let observed = self.hosts.iter().flat_map(|host| &host.instances);
        let of_stack = observed.filter(|instance| instance.stack.as_ref() == Some(stack));
        of_stack.map(|instance| instance.generation).max().unwrap_or_default()
    }

    /// The hosts as placement sees them: for this stack, so its own ports do not count as taken.
    pub(super) fn host_views(&self, stack: &StackName) -> Vec<HostView> {
        let view = |host: &Host| {
            let capacity = host.engine.as_ref().map(|engine| engine.capacity);
            HostView::of(host.id.clone(), host.state, capacity, &host.instances, stack)
        };
        self.hosts.iter().map(view).collect()
    }

    /// Every host that holds, or may come to hold, something of the stack.
    pub(super) fn hosts_of(&self, stack: &StackName) -> BTreeSet<AgentId> {
        let observed = self.observed(stack).into_iter().map(|(host, _)| host);
        observed.chain(self.in_flight.iter().map(|task| task.agent().clone())).collect()
    }

    /// Where instances of the stack are, or may be: what the hosts reported, what the latest deployment left
    /// there, and what is being worked on. The inventory alone may be old.
    pub(super) fn places(&self, stack: &StackName, latest: Option<&Deployment>) -> Places {
        let observed = self.observed(stack).into_iter().flat_map(|(agent, instances)| {
            instances.into_iter().map(move |instance| (agent.clone(), instance.container, instance.slot))
        });
        let in_flight = self.in_flight.iter().filter_map(|task| {
            let placed = task.spec.placed.as_ref()?;
            Some((task.agent().clone(), placed.container.clone()?, placed.slot))
        });
        let left = latest.into_iter().flat_map(|deployment| &deployment.steps).filter(|step| leaves_instance(step));
        let left = left.filter_map(|step| Some((step.agent.clone(), step.container.clone()?, step.slot)));
        observed.chain(in_flight).chain(left).collect()
    }

    /// Makes a plan of a deployment safe against what the inventory cannot show: work that is under way, work that
    /// the latest deployment may have done without anybody having looked since, and removals that it still owed.
    ///
    /// Each place that such work may have touched gets a step in its lane, behind it, so that whatever it leaves is
    /// dealt with. What would be kept on the word of an old inventory is made sure of instead. Both are
    /// harmless where there was no need: a deploy may be repeated, and deleting what is gone is success.
    pub(super) fn make_sure(&self, steps: &mut Vec<Step>, latest: Option<&Deployment>) {
        let under_way = self.in_flight.iter().filter_map(|task| {
            let placed = task.spec.placed.as_ref()?;
            let place = (task.agent().clone(), placed.container.clone()?, placed.slot);
            Some((place, format!("a task of generation {} is still at work on it", placed.generation)))
        });
        let unfinished = latest.into_iter().filter(|latest| latest.status != DeploymentStatus::Completed);
        let left = unfinished.flat_map(|latest| {
            let touched = latest.steps.iter().filter(|step| may_have_touched(step));
            touched.filter_map(|step| {
                let place = (step.agent.clone(), step.container.clone()?, step.slot);
                Some((
                    place,
                    format!("generation {} did not complete and may have left something here", latest.generation),
                ))
            })
        });
        for (place, reason) in under_way.chain(left) {
            match steps.iter_mut().find(|step| serves(step, &place)) {
                Some(step) if step.action == StepAction::Keep => make_sure_of(step, reason),
                Some(_) => {}
                None => steps.push(removal(place, reason)),
            }
        }
        for step in steps.iter_mut().filter(|step| step.action == StepAction::Keep) {
            let is_fresh = self.host(&step.agent).is_some_and(Host::is_observed_since_its_last_task);
            if !is_fresh {
                make_sure_of(step, "its host has not looked since its last task".into());
            }
        }
    }
}

/// Whether the step has a task that may have begun, or owes a removal.
fn may_have_touched(step: &Step) -> bool {
    step.task.is_some() || step.action == StepAction::Remove
}

fn serves(step: &Step, (agent, container, slot): &Place) -> bool {
    &step.agent == agent && step.container.as_ref() == Some(container) && step.slot == *slot
}

fn make_sure_of(step: &mut Step, reason: String) {
    step.action = StepAction::Create;
    step.reason = reason;
}

/// The removal of what may be left in a place: in the lane of the work that may leave it, so after it.
fn removal((agent, container, slot): Place, reason: String) -> Step {
    Step { action: StepAction::Remove, agent, container: Some(container), slot, reason, after: Vec::new(), task: None }
}

/// Whether there is an instance when the step is through.
pub(super) fn leaves_instance(step: &Step) -> bool {
    match step.action {
        StepAction::Create
        | StepAction::Replace
        | StepAction::Update
        | StepAction::Keep
        | StepAction::Stop
        | StepAction::Start
        | StepAction::Restart => step.container.is_some(),
        StepAction::Prefetch | StepAction::Remove | StepAction::Cleanup | StepAction::CleanupWithVolumes => false,
    }
}
