//! Stop, start, restart and delete of a whole stack: deployments like any other, all through tasks.

use super::apply::{Decision, MAX_COLLISIONS, is_collision, next_generation};
use super::record;
use super::world::World;
use super::{Control, ControlError, ControlErrorKind};
use crate::event::EventType;
use crate::id::StackName;
use crate::plan;
use crate::stack::{Deployment, DeploymentAction, Stack};

impl Control {
    /// Stops, starts, restarts or deletes a stack. Answers with the deployment that does it.
    ///
    /// A delete removes the stack's instances and networks from every host that may hold some, and, with
    /// `remove_volumes`, its volumes; the stack is forgotten only when every host has confirmed.
    ///
    /// # Errors
    /// [`ControlErrorKind::NotFound`] for an unknown stack; those of the store.
    pub async fn act(
        &self,
        stack: &StackName,
        action: DeploymentAction,
        remove_volumes: bool,
        actor: &str,
    ) -> Result<Deployment, ControlError> {
        let mut collisions = 0;
        loop {
            let decision = self.decide_act(stack, action, remove_volumes, actor).await?;
            match self.commit(decision, actor).await {
                Err(error) if is_collision(&error) && collisions < MAX_COLLISIONS => collisions += 1,
                result => return result,
            }
        }
    }

    async fn decide_act(
        &self,
        stack: &StackName,
        action: DeploymentAction,
        remove_volumes: bool,
        actor: &str,
    ) -> Result<Decision, ControlError> {
        let Some(before) = record::read_stack(&*self.store, stack).await? else {
            return Err(unknown_stack(stack));
        };
        let world = World::look(&*self.store, stack).await?;
        let known = &before.value;
        let mut hosts = known.hosts.clone();
        hosts.extend(world.hosts_of(stack));
        let latest = record::read_deployment(&*self.store, stack, known.generation).await?;
        let places = world.places(stack, latest.as_ref().map(|deployment| &deployment.value));
        let plan = match action {
            DeploymentAction::Deploy | DeploymentAction::Start => plan::start(&known.spec, &places),
            DeploymentAction::Stop => plan::stop(&known.spec, &places),
            DeploymentAction::Restart => plan::restart(&known.spec, &places),
            DeploymentAction::Delete => plan::delete(&hosts, &places, remove_volumes),
        };
        let generation = next_generation(Some(&before), &world, stack);
        let mut deployment = self.new_deployment(known.spec.clone(), action, generation, actor);
        deployment.steps = plan.steps;
        deployment.warnings = plan.warnings;
        let after = Stack { generation, action, hosts, ..known.clone() };
        let event = match action {
            DeploymentAction::Delete => EventType::StackDeleting,
            DeploymentAction::Deploy | DeploymentAction::Stop | DeploymentAction::Start | DeploymentAction::Restart => {
                EventType::StackDeploying
            }
        };
        Ok(Decision { deployment, before: Some(before), after, event })
    }
}

pub(super) fn unknown_stack(stack: &StackName) -> ControlError {
    ControlError::new(
        ControlErrorKind::NotFound,
        format!("there is no stack {stack}: `stack list` shows what there is"),
    )
}
