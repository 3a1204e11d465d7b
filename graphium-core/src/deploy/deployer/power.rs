//! `stop`, `start` and `restart`.

use super::config::Definition;
use super::watch::Expectation;
use super::{EngineDeployer, go_on};
use crate::deploy::{DeployError, DeployErrorKind, InstanceTarget, RuntimeContainer, StepContext};
use crate::stack::{ContainerSpec, InstanceState, PortSpec};
use crate::task::Outcome;

impl EngineDeployer {
    /// Stopping what is not there is success: it does not run.
    pub(super) async fn stop_instance(
        &self,
        target: &InstanceTarget,
        timeout: Option<u32>,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        go_on(context, "look")?;
        let mut outcome = Outcome::default();
        let found = self.targeted(target).await?;
        if found.is_empty() {
            outcome
                .warnings
                .push(format!("{} is not there, so there was nothing to stop", super::find::describe(target)));
        }
        for container in found {
            go_on(context, "stop")?;
            let runs = is_up(container.state);
            if runs {
                self.halt(&container, timeout).await?;
            }
            outcome.instances.extend(self.report(&container, if runs { "stopped" } else { "unchanged" }));
        }
        Ok(outcome)
    }

    pub(super) async fn start_instance(
        &self,
        target: &InstanceTarget,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        go_on(context, "look")?;
        let container = self.the_one(target).await?;
        let action = if container.state == InstanceState::Running { "unchanged" } else { "started" };
        self.start_and_watch(&container, action, context).await
    }

    pub(super) async fn restart_instance(
        &self,
        target: &InstanceTarget,
        timeout: Option<u32>,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        go_on(context, "look")?;
        let container = self.the_one(target).await?;
        if is_up(container.state) {
            go_on(context, "stop")?;
            self.halt(&container, timeout).await?;
        }
        self.start_and_watch(&container, "restarted", context).await
    }

    async fn start_and_watch(
        &self,
        container: &RuntimeContainer,
        action: &str,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        go_on(context, "start")?;
        if container.state == InstanceState::Paused {
            self.halt(container, None).await?;
        }
        let spec = self.spec_of(container)?;
        self.start_or_explain(&container.id, &spec.ports).await?;
        let seen = self.until_good(&container.id, &Expectation::of(&spec), context).await?;
        Ok(Outcome { instances: self.report(&seen.container, action).into_iter().collect(), ..Outcome::default() })
    }

    /// Starts a container; a port conflict says who holds the port.
    pub(super) async fn start_or_explain(&self, id: &str, ports: &[PortSpec]) -> Result<(), DeployError> {
        match self.runtime.start(id).await {
            Err(error) if error.kind() == DeployErrorKind::PortConflict => {
                Err(self.explain_port(ports, id, error).await)
            }
            other => other.map_err(|error| error.in_step("start")),
        }
    }

    /// The spec that a container was made from; its defaults where it does not carry it.
    fn spec_of(&self, container: &RuntimeContainer) -> Result<ContainerSpec, DeployError> {
        if let Some(definition) = Definition::read(container) {
            return Ok(definition.spec);
        }
        match self.labels_of(container) {
            Some(labels) => Ok(ContainerSpec::new(labels.container, container.image.clone())),
            None => {
                let message = format!("container {} carries our labels and no whole set of them", container.name);
                Err(DeployError::new(DeployErrorKind::Invalid, message))
            }
        }
    }
}

const fn is_up(state: InstanceState) -> bool {
    matches!(state, InstanceState::Running | InstanceState::Restarting | InstanceState::Paused)
}
