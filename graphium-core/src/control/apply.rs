//! Accepting a stack: definition, placement, plan and the tasks that may start, in one transaction.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::{self, Versioned};
use super::world::World;
use super::{Control, ControlError, ControlErrorKind, drive};
use crate::event::EventType;
use crate::id::{Generation, StackName};
use crate::placement::{self, Placement, Placements, Refusal};
use crate::plan;
use crate::stack::{Deployment, DeploymentAction, DeploymentStatus, Problem, Stack, StackSpec, Step, validate};
use crate::store::{Expected, RecordKey, RecordWrite, StoreErrorKind, Submission};

/// How many deployments of a stack are remembered.
pub const KEPT_DEPLOYMENTS: u64 = 20;

/// How often a change is decided anew because another one came between.
pub(super) const MAX_COLLISIONS: usize = 16;

/// What would be done, without doing it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StackPlan {
    /// The stack.
    pub stack: StackName,
    /// Names this very plan: applying with it refuses when the world has moved.
    pub plan_hash: String,
    /// The generation that it would become.
    pub generation: Generation,
    /// The steps, `keep` included.
    pub steps: Vec<Step>,
    /// Which instance on which host, and why.
    pub placements: Vec<Placement>,
    /// What is worth knowing and harmless.
    pub warnings: Vec<String>,
}

impl StackPlan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.action == crate::stack::StepAction::Keep)
    }
}

/// How to apply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplyOptions {
    /// Only if the plan is still this one.
    pub plan_hash: Option<String>,
}

/// A change of a stack, decided and not yet committed.
pub(super) struct Decision {
    pub(super) deployment: Deployment,
    pub(super) before: Option<Versioned<Stack>>,
    pub(super) after: Stack,
    pub(super) event: EventType,
}

impl Control {
    /// What applying this definition now would do. Changes nothing.
    ///
    /// # Errors
    /// [`ControlErrorKind::InvalidDefinition`] and [`ControlErrorKind::PlacementRefused`] with every problem; those of the
    /// store.
    pub async fn plan(&self, spec: &StackSpec) -> Result<StackPlan, ControlError> {
        let (plan, _, _) = self.decide_plan(spec).await?;
        Ok(plan)
    }

    /// Accepts a definition: from here on it is deployed, whatever crashes. Answers with the deployment; its
    /// outcome comes later.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); [`ControlErrorKind::PlanChanged`] when the options name another plan. Nothing has
    /// changed then.
    pub async fn apply(&self, spec: StackSpec, options: ApplyOptions, actor: &str) -> Result<Deployment, ControlError> {
        let mut collisions = 0;
        loop {
            let (plan, before, world) = self.decide_plan(&spec).await?;
            if let Some(wanted) = options.plan_hash.as_ref().filter(|wanted| **wanted != plan.plan_hash) {
                let message = format!(
                    "the plan of stack {} is now {}, not {wanted}: look at the new plan, then apply with its hash",
                    spec.name, plan.plan_hash
                );
                return Err(ControlError::new(ControlErrorKind::PlanChanged, message));
            }
            let decision = self.decide_deploy(&spec, plan, before, &world, actor);
            match self.commit(decision, actor).await {
                Err(error) if is_collision(&error) && collisions < MAX_COLLISIONS => collisions += 1,
                result => return result,
            }
        }
    }

    async fn decide_plan(
        &self,
        spec: &StackSpec,
    ) -> Result<(StackPlan, Option<Versioned<Stack>>, World), ControlError> {
        let problems = validate(spec);
        if !problems.is_empty() {
            let message = format!("the definition of stack {} has {} problem(s)", spec.name, problems.len());
            return Err(ControlError::new(ControlErrorKind::InvalidDefinition, message).with_problems(problems));
        }
        let before = record::read_stack(&*self.store, &spec.name).await?;
        let world = World::look(&*self.store, &spec.name).await?;
        let observed = world.observed(&spec.name);
        let Placements { placed, refused, warnings } = placement::place(spec, &world.host_views(&spec.name));
        if !refused.is_empty() {
            return Err(refusal(spec, &refused));
        }
        let in_force = self.in_force(before.as_ref()).await?;
        let mut plan = plan::deploy(spec, &placed, &observed, &in_force.iter().collect::<Vec<_>>());
        let latest = match &before {
            Some(stack) => record::read_deployment(&*self.store, &spec.name, stack.value.generation).await?,
            None => None,
        };
        world.make_sure(&mut plan.steps, latest.as_ref().map(|latest| &latest.value));
        let generation = next_generation(before.as_ref(), &world, &spec.name);
        let warnings = warnings.into_iter().chain(plan.warnings).collect();
        let plan_hash = hash(spec, generation, &plan.steps);
        let stack = spec.name.clone();
        let plan = StackPlan { stack, plan_hash, generation, steps: plan.steps, placements: placed, warnings };
        Ok((plan, before, world))
    }

    /// The definitions that instances may have been made from: the latest one that was observed good, and the latest
    /// that was tried.
    async fn in_force(&self, before: Option<&Versioned<Stack>>) -> Result<Vec<StackSpec>, ControlError> {
        let Some(before) = before else { return Ok(Vec::new()) };
        let mut specs = vec![before.value.spec.clone()];
        if let Some(generation) = before.value.last_good {
            let good = record::read_deployment(&*self.store, &before.value.spec.name, generation).await?;
            specs.extend(good.map(|deployment| deployment.value.spec));
        }
        Ok(specs)
    }

    fn decide_deploy(
        &self,
        spec: &StackSpec,
        plan: StackPlan,
        before: Option<Versioned<Stack>>,
        world: &World,
        actor: &str,
    ) -> Decision {
        let deployment = self.new_deployment(spec.clone(), DeploymentAction::Deploy, plan.generation, actor);
        let deployment = Deployment { steps: plan.steps, warnings: plan.warnings, ..deployment };
        let known = before.as_ref().map(|stack| &stack.value);
        let mut hosts = known.map(|stack| stack.hosts.clone()).unwrap_or_default();
        hosts.extend(deployment.steps.iter().map(|step| step.agent.clone()));
        hosts.extend(world.hosts_of(&spec.name));
        let after = Stack {
            spec: spec.clone(),
            generation: deployment.generation,
            action: deployment.action,
            last_good: known.and_then(|stack| stack.last_good),
            hosts,
            created_at: known.map_or(deployment.started_at, |stack| stack.created_at),
        };
        Decision { deployment, before, after, event: EventType::StackDeploying }
    }

    pub(super) fn new_deployment(
        &self,
        spec: StackSpec,
        action: DeploymentAction,
        generation: Generation,
        actor: &str,
    ) -> Deployment {
        Deployment {
            stack: spec.name.clone(),
            generation,
            action,
            spec,
            spec_from: None,
            steps: Vec::new(),
            status: DeploymentStatus::Running,
            warnings: Vec::new(),
            created_by: Some(actor.to_owned()),
            started_at: self.clock.now(),
            finished_at: None,
        }
    }

    /// Commits a decision whole: stack, deployment, the tasks that may start, the end of what it supersedes.
    pub(super) async fn commit(&self, decision: Decision, actor: &str) -> Result<Deployment, ControlError> {
        let Decision { mut deployment, before, after, event } = decision;
        let stack = deployment.stack.clone();
        let generation = deployment.generation;
        let first = plan::next(&deployment, &BTreeMap::new()).submit;
        let tasks = drive::start_steps(&mut deployment, &first);
        let expected = before.as_ref().map_or(Expected::Absent, |stack| Expected::Version(stack.version));
        let mut records = vec![
            record::write(RecordKey::stack(&stack), expected, &after),
            record::write(RecordKey::deployment(&stack, generation), Expected::Absent, &deployment),
        ];
        records.extend(self.supersede(before.as_ref(), &stack).await?);
        if let Some(old) = generation.0.checked_sub(KEPT_DEPLOYMENTS).filter(|old| *old > 0) {
            records.push(record::erase(RecordKey::deployment(&stack, Generation(old)), Expected::Anything));
        }
        let submission = Submission {
            tasks,
            records,
            events: vec![drive::stack_event(&deployment, event, actor, serde_json::Value::Null)],
            supersede: Some((stack, generation)),
            forget: None,
            actor: actor.to_owned(),
        };
        self.store.submit(submission).await?;
        self.wake.notify_one();
        Ok(deployment)
    }

    /// Ends the deployment that is under way, if one is: a newer one takes over.
    async fn supersede(
        &self,
        before: Option<&Versioned<Stack>>,
        stack: &StackName,
    ) -> Result<Option<RecordWrite>, ControlError> {
        let Some(before) = before else { return Ok(None) };
        let Some(running) = record::read_deployment(&*self.store, stack, before.value.generation).await? else {
            return Ok(None);
        };
        if running.value.status.is_settled() {
            return Ok(None);
        }
        let ended =
            Deployment { status: DeploymentStatus::Superseded, finished_at: Some(self.clock.now()), ..running.value };
        let key = RecordKey::deployment(stack, ended.generation);
        Ok(Some(record::write(key, Expected::Version(running.version), &ended)))
    }
}

fn refusal(spec: &StackSpec, refused: &[Refusal]) -> ControlError {
    let sentences: Vec<_> = refused.iter().map(ToString::to_string).collect();
    let message = format!("stack {} cannot be placed: {}", spec.name, sentences.join("; "));
    let path = |refusal: &Refusal| {
        let number = spec.containers.iter().position(|container| container.name == refusal.container);
        number.map_or_else(|| "containers".to_owned(), |number| format!("containers[{number}]"))
    };
    let problems = refused.iter().map(|refusal| Problem::new(path(refusal), refusal.to_string())).collect();
    ControlError::new(ControlErrorKind::PlacementRefused, message).with_problems(problems)
}

/// The generation of the next deployment of a stack: greater than every one that is known, and than every one that a host
/// has, which a store that was restored from a backup may know nothing of.
pub(super) fn next_generation(before: Option<&Versioned<Stack>>, world: &World, stack: &StackName) -> Generation {
    let known = before.map_or(Generation::default(), |stack| stack.value.generation);
    known.max(world.newest_generation(stack)).next()
}

/// Whether another change of the stack came between reading and committing.
pub(super) fn is_collision(error: &ControlError) -> bool {
    matches!(error.kind(), ControlErrorKind::Store(StoreErrorKind::Conflict | StoreErrorKind::Superseded))
}

/// SHA-256, cut to 64 bits, over definition, generation and steps as JSON.
fn hash(spec: &StackSpec, generation: Generation, steps: &[Step]) -> String {
    let canonical = serde_json::to_vec(&(spec, generation, steps)).expect("specs and steps have string keys");
    hex::encode(&Sha256::digest(canonical)[..8])
}
