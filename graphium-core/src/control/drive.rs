//! Driving rollouts: what the last tasks brought about decides which come next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::record::{self, Versioned};
use super::{Control, ControlError};
use crate::event::{EventType, NewEvent};
use crate::id::{AgentId, Generation, Seq, StackName, TaskId};
use crate::plan::{self, Next, StepResult};
use crate::stack::{Deployment, DeploymentAction, DeploymentStatus, Stack};
use crate::store::{EventFilter, Expected, MAX_PAGE, RecordKey, RecordKind, Submission, TaskFilter, paging};
use crate::task::NewTask;

/// How often every stack is looked at, whatever the events say: wake-ups are hints.
const SCAN_INTERVAL: Duration = Duration::from_secs(5);
/// How soon a deployment that is done, and waits to be observed, is looked at again: a host that sees what it saw
/// before makes no event.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often leases and deadlines are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How often history is looked through for what is old enough to go.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);
/// How long a pruning leaves the store to others before the next, while there is more to prune.
const PRUNE_PAUSE: Duration = Duration::from_millis(10);
/// How long events gather before they are acted on, so that a burst costs one look.
const GATHER: Duration = Duration::from_millis(5);
/// The actor in the log.
const ACTOR: &str = "server";

/// What a deployment waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// For an event, if for anything.
    Event,
    /// For its hosts to have looked.
    Look,
}

impl Control {
    /// Sweeps leases and deadlines, prunes history and drives rollouts until `shutdown`. Stopping it loses nothing: what it
    /// does is committed step by step, and whoever runs next carries on.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = self.sweep_forever() => {}
            () = self.prune_forever() => {}
            () = self.drive_forever() => {}
        }
    }

    async fn sweep_forever(&self) {
        let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.store.sweep().await {
                tracing::warn!(%error, "the sweep of leases and deadlines did not happen: it is tried again");
            }
        }
    }

    /// Removes what is older than the store keeps it, some at a time so that no commit is long.
    async fn prune_forever(&self) {
        let mut ticks = tokio::time::interval(PRUNE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            loop {
                match self.store.prune().await {
                    Ok(pruned) if pruned.more => tokio::time::sleep(PRUNE_PAUSE).await,
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "old history was not pruned: it is tried again");
                        break;
                    }
                }
            }
        }
    }

    async fn drive_forever(&self) {
        let mut head = self.store.head();
        let mut seen = *head.borrow_and_update();
        let mut scan = tokio::time::interval(SCAN_INTERVAL);
        scan.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut unobserved = BTreeSet::new();
        loop {
            let full = tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN), if !unobserved.is_empty() => false,
                _ = scan.tick() => true,
                changed = head.changed() => changed.is_err(),
                () = self.wake.notified() => false,
            };
            tokio::time::sleep(GATHER).await;
            head.borrow_and_update();
            if let Err(error) = self.drive_touched(&mut seen, full, &mut unobserved).await {
                tracing::warn!(%error, "driving rollouts did not get through: it is tried again");
            }
        }
    }

    /// Drives the stacks that new events speak of and those that wait to be observed, or all of them.
    pub(super) async fn drive_touched(
        &self,
        seen: &mut Seq,
        full: bool,
        unobserved: &mut BTreeSet<StackName>,
    ) -> Result<(), ControlError> {
        let mut touched = self.stacks_in_events(seen).await?;
        if touched.is_empty() && unobserved.is_empty() && !full {
            return Ok(());
        }
        if self.store.status().await?.restored.is_some() {
            // Nothing is driven before somebody has looked at what a restore brought back.
            return Ok(());
        }
        touched.append(unobserved);
        if full {
            touched.extend(self.every_stack().await?);
        }
        for stack in touched {
            match self.advance(&stack).await {
                Ok(Waits::Look) => drop(unobserved.insert(stack)),
                Ok(Waits::Event) => {}
                // One stack that cannot be driven must not keep the others from it.
                Err(error) => tracing::warn!(%stack, %error, "a rollout did not get on: it is tried again"),
            }
        }
        Ok(())
    }

    async fn stacks_in_events(&self, seen: &mut Seq) -> Result<BTreeSet<StackName>, ControlError> {
        let filter = EventFilter { of_stacks: true, ..EventFilter::default() };
        let mut stacks = BTreeSet::new();
        loop {
            let (events, last) = self.store.events(*seen, filter.clone(), MAX_PAGE).await?;
            let is_done = last == *seen;
            *seen = last;
            stacks.extend(events.into_iter().filter_map(|event| event.stack_id));
            if is_done {
                return Ok(stacks);
            }
        }
    }

    async fn every_stack(&self) -> Result<Vec<StackName>, ControlError> {
        let records = paging::all(|page| self.store.records(RecordKind::Stack, "", page)).await?;
        Ok(records.into_iter().filter_map(|record| record.key.name.parse().ok()).collect())
    }

    /// Brings the latest deployment of a stack as far as it can come now.
    ///
    /// Safe beside any other control plane: a deployment that somebody else moved is left to its next look.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn drive(&self, stack: &StackName) -> Result<(), ControlError> {
        self.advance(stack).await.map(drop)
    }

    async fn advance(&self, stack: &StackName) -> Result<Waits, ControlError> {
        loop {
            let Some(known) = record::read_stack(&*self.store, stack).await? else { return Ok(Waits::Event) };
            let generation = known.value.generation;
            let Some(deployment) = record::read_deployment(&*self.store, stack, generation).await? else {
                return Ok(Waits::Event);
            };
            if deployment.value.status.is_settled() {
                return Ok(Waits::Event);
            }
            let results = self.results(&deployment.value).await?;
            let next = plan::next(&deployment.value, &results);
            let waits = if next.finish.is_some() { Waits::Look } else { Waits::Event };
            let submission = match self.decide(known, deployment, next).await? {
                Some(submission) => submission,
                None => return Ok(waits),
            };
            match self.store.submit(submission).await {
                Ok(_) => {}
                Err(error) => {
                    let error = ControlError::from(error);
                    return if super::apply::is_collision(&error) { Ok(Waits::Event) } else { Err(error) };
                }
            }
        }
    }

    /// What the tasks of a deployment have come to.
    async fn results(&self, deployment: &Deployment) -> Result<BTreeMap<TaskId, StepResult>, ControlError> {
        let wanted: BTreeSet<TaskId> = deployment.steps.iter().filter_map(|step| step.task).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted: Vec<TaskId> = wanted.into_iter().collect();
        let mut results = BTreeMap::new();
        for ids in wanted.chunks(MAX_PAGE) {
            let filter = TaskFilter { ids: ids.iter().copied().collect(), ..TaskFilter::default() };
            let tasks = paging::all(|page| self.store.tasks(filter.clone(), page)).await?;
            results.extend(tasks.iter().map(|task| (task.id(), StepResult::of(&task.state))));
        }
        Ok(results)
    }

    async fn decide(
        &self,
        stack: Versioned<Stack>,
        deployment: Versioned<Deployment>,
        next: Next,
    ) -> Result<Option<Submission>, ControlError> {
        let version = deployment.version;
        let mut deployment = deployment.value;
        let key = RecordKey::deployment(&deployment.stack, deployment.generation);
        if let Some(status) = next.finish {
            if status == DeploymentStatus::Completed && !self.is_observed(&deployment).await? {
                return Ok(None);
            }
            deployment.status = status;
            deployment.finished_at = Some(self.clock.now());
            return Ok(Some(finish(stack, &deployment, version)));
        }
        if next.submit.is_empty() {
            return Ok(None);
        }
        let tasks = start_steps(&mut deployment, &next.submit);
        Ok(Some(Submission {
            tasks,
            records: vec![record::write(key, Expected::Version(version), &deployment)],
            actor: ACTOR.to_owned(),
            ..Submission::default()
        }))
    }

    /// Whether every host that did something has looked since. Success is what was observed, so a deployment
    /// is not complete before; a host that went silent in between is waited for.
    async fn is_observed(&self, deployment: &Deployment) -> Result<bool, ControlError> {
        let hosts = self.store.hosts().await?;
        let touched: BTreeSet<_> =
            deployment.steps.iter().filter(|step| step.task.is_some()).map(|step| &step.agent).collect();
        let has_looked =
            |id: &AgentId| hosts.iter().any(|host| &host.id == id && host.is_observed_since_its_last_task());
        Ok(touched.into_iter().all(has_looked))
    }
}

/// Gives these steps their tasks.
pub(super) fn start_steps(deployment: &mut Deployment, numbers: &[usize]) -> Vec<NewTask> {
    let mut tasks = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let task = plan::task_for(deployment, number, TaskId::generate());
        deployment.steps[number].task = Some(task.id);
        tasks.push(task);
    }
    tasks
}

/// The last write of a deployment, and of its stack.
fn finish(stack: Versioned<Stack>, deployment: &Deployment, version: u64) -> Submission {
    let name = &deployment.stack;
    let is_completed = deployment.status == DeploymentStatus::Completed;
    let is_delete = deployment.action == DeploymentAction::Delete;
    let stack_key = RecordKey::stack(name);
    let expected = Expected::Version(stack.version);
    let mut records = Vec::new();
    let mut forget = None;
    if is_completed && is_delete {
        records.push(record::erase(stack_key, expected));
        records.extend(forget_deployments(name, deployment.generation, version));
        forget = Some(name.clone());
    } else {
        let key = RecordKey::deployment(name, deployment.generation);
        records.push(record::write(key, Expected::Version(version), deployment));
        if is_completed && deployment.action == DeploymentAction::Deploy {
            let stack = Stack { last_good: Some(deployment.generation), ..stack.value };
            records.push(record::write(stack_key, expected, &stack));
        }
    }
    let (event, data) = match &deployment.status {
        DeploymentStatus::Failed { reason } => (EventType::StackError, json!({ "reason": reason })),
        DeploymentStatus::Completed if is_delete => (EventType::StackDeleted, Value::Null),
        DeploymentStatus::Completed => (EventType::StackDeployed, Value::Null),
        DeploymentStatus::Running | DeploymentStatus::Superseded | DeploymentStatus::Cancelled => {
            (EventType::StackError, json!({ "reason": "the deployment was ended" }))
        }
    };
    Submission {
        records,
        events: vec![stack_event(deployment, event, ACTOR, data)],
        forget,
        actor: ACTOR.to_owned(),
        ..Submission::default()
    }
}

fn forget_deployments(
    stack: &StackName,
    last: Generation,
    version: u64,
) -> impl Iterator<Item = crate::store::RecordWrite> + use<> {
    let stack = stack.clone();
    let first = last.0.saturating_sub(super::KEPT_DEPLOYMENTS).max(1);
    (first..=last.0).map(move |generation| {
        let expected = if generation == last.0 { Expected::Version(version) } else { Expected::Anything };
        record::erase(RecordKey::deployment(&stack, Generation(generation)), expected)
    })
}

/// An event about a deployment.
pub(super) fn stack_event(deployment: &Deployment, kind: EventType, actor: &str, details: Value) -> NewEvent {
    let mut data = json!({ "generation": deployment.generation, "action": deployment.action });
    if let (Value::Object(data), Value::Object(details)) = (&mut data, details) {
        data.extend(details);
    }
    NewEvent { kind, task: None, stack: Some(deployment.stack.clone()), agent: None, actor: actor.to_owned(), data }
}
