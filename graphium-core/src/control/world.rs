//! What is known of the hosts and of the work under way, read once for one decision.

use std::collections::BTreeSet;

use super::ControlError;
use crate::id::{AgentId, StackName};
use crate::placement::HostView;
use crate::plan::Places;
use crate::stack::{Deployment, Instance, Step, StepAction};
use crate::store::{Host, MAX_PAGE, PageRequest, TaskFilter, TaskStore};
use crate::task::{Placed, Task, TaskStatus};

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
        let in_flight = all_tasks(store, filter).await?;
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

    /// Makes a plan of a deployment safe against what the inventory cannot show: work that is under way, and work that ended
    /// after the host last looked.
    ///
    /// What is under way gets a step in its lane, behind it, so that whatever it leaves is dealt with. What
    /// would be kept on the word of an old inventory is made sure of instead: a repeated deploy is harmless.
    pub(super) fn make_sure(&self, steps: &mut Vec<Step>) {
        for task in &self.in_flight {
            let Some(placed) = &task.spec.placed else { continue };
            if placed.container.is_none() {
                continue;
            }
            let reason = format!("a task of generation {} is still at work on it", placed.generation);
            match steps.iter_mut().find(|step| serves(step, task.agent(), placed)) {
                Some(step) if step.action == StepAction::Keep => make_sure_of(step, reason),
                Some(_) => {}
                None => steps.push(removal(task.agent(), placed, reason)),
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

/// Every task that passes the filter, over as many pages as it takes.
pub(super) async fn all_tasks(store: &dyn TaskStore, filter: TaskFilter) -> Result<Vec<Task>, ControlError> {
    let mut tasks = Vec::new();
    let mut page = PageRequest { limit: MAX_PAGE, after: None };
    loop {
        let answer = store.tasks(filter.clone(), page).await?;
        tasks.extend(answer.items);
        match answer.next {
            Some(next) => page = PageRequest { limit: MAX_PAGE, after: Some(next) },
            None => return Ok(tasks),
        }
    }
}

fn serves(step: &Step, agent: &AgentId, placed: &Placed) -> bool {
    &step.agent == agent && step.container == placed.container && step.slot == placed.slot && step.container.is_some()
}

fn make_sure_of(step: &mut Step, reason: String) {
    step.action = StepAction::Create;
    step.reason = reason;
}

/// The removal of what a task under way may leave: in the same lane, so after it.
fn removal(agent: &AgentId, placed: &Placed, reason: String) -> Step {
    Step {
        action: StepAction::Remove,
        agent: agent.clone(),
        container: placed.container.clone(),
        slot: placed.slot,
        reason,
        after: Vec::new(),
        task: None,
    }
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
