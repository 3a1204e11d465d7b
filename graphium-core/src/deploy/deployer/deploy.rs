//! `deploy`: an instance as its spec says, observed good, or everything as it was.

use std::time::Duration;

use serde_json::json;

use super::config::Definition;
use super::ending::network_key;
use super::image::Fetched;
use super::slot::SlotContents;
use super::watch::Expectation;
use super::{EngineDeployer, config, go_on};
use crate::deploy::{
    ContainerConfig, DeployError, DeployErrorKind, DeployRequest, Inspection, RuntimeContainer, StepContext, label,
};
use crate::stack::{ContainerSpec, InstanceState, ResourceLimits, spec_hash};
use crate::task::{InstanceReport, Outcome};

/// How often a name that was freed while we asked for it is asked for again.
const NAME_TRIES: usize = 3;

/// The container that a deploy brings up.
struct Candidate {
    id: String,
    name: String,
    state: InstanceState,
    /// Whether a failure removes it: this attempt made it, or an earlier one that never got it good, and it is not all
    /// that serves.
    unproven: bool,
    action: &'static str,
}

impl EngineDeployer {
    pub(super) async fn deploy_instance(
        &self,
        request: &DeployRequest,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        config::check(request)?;
        let (stack, spec) = (request.stack.as_ref(), &request.spec);
        let mut warnings = Vec::new();
        go_on(context, "look")?;
        let found = self.slot(stack, &spec.name, request.slot).await?;

        // Whatever can be missing is brought before anything that runs is touched.
        let fetched = self.ensure_image(&spec.image, request.pull_policy, context).await?;
        let network = match &request.network {
            Some(network) => Some(self.ensure_network(stack, network, context, &mut warnings).await?),
            None => None,
        };
        let mounts = self.ensure_mounts(stack, &spec.mounts, context).await?;

        let hash = spec_hash(spec, request.network.as_ref());
        let mut contents = SlotContents::of(found, &hash, &fetched.image.id, |container| self.is_proven(container));
        let adopted = self.adopt(request, &mut contents, context).await?;
        for leftover in &contents.leftovers {
            self.discard(leftover, false).await?;
        }
        let candidate = match adopted {
            Some(candidate) => candidate,
            None => {
                let name = self.free_name(request, contents.predecessor.as_ref()).await?;
                let config = self.container_config(request, name, &hash, mounts, network, context);
                self.make(config, contents.predecessor.is_some(), context).await?
            }
        };
        let brought = self.bring_up(request, &candidate, contents.predecessor.as_ref(), context).await;
        match brought {
            Ok(seen) => {
                self.settle(request, &seen, contents.predecessor.as_ref(), &mut warnings).await;
                Ok(outcome(request, &candidate, &seen, &hash, &fetched, warnings))
            }
            Err(error) => Err(self.undo(request, error, &candidate, &contents).await),
        }
    }

    /// Takes over the container of the wanted spec, if there is one, with policy and limits as wanted.
    async fn adopt(
        &self,
        request: &DeployRequest,
        contents: &mut SlotContents,
        context: &StepContext,
    ) -> Result<Option<Candidate>, DeployError> {
        let Some(same) = &contents.same else {
            return Ok(None);
        };
        go_on(context, "adopt")?;
        let Some(seen) = self.runtime.inspect(&same.id).await? else {
            contents.same = None;
            return Ok(None);
        };
        let spec = &request.spec;
        let (wanted, actual) = (spec.resources.limits, seen.limits);
        if lifts_a_limit(wanted, actual) {
            contents.replace_same();
            return Ok(None);
        }
        let restart = (seen.restart_policy != spec.restart_policy).then_some(spec.restart_policy);
        let limits = (wanted != actual).then_some(wanted);
        let changed = restart.is_some() || limits.is_some();
        if changed {
            self.runtime.update(&same.id, restart, limits).await.map_err(|e| e.in_step("update"))?;
        }
        let by_this_task = context
            .task
            .is_some_and(|task| seen.container.labels.get(label::TASK).is_some_and(|label| *label == task.to_string()));
        // An attempt whose report was lost, or that ended before the rename, left it serving: nothing else would.
        let serves_alone = seen.container.state == InstanceState::Running && !contents.predecessor_served();
        Ok(Some(Candidate {
            id: same.id.clone(),
            name: same.name.clone(),
            state: seen.container.state,
            unproven: !serves_alone && (by_this_task || !self.is_proven(same)),
            action: match (seen.container.state, changed) {
                (InstanceState::Running, false) => "unchanged",
                (InstanceState::Running, true) => "updated",
                _ => "started",
            },
        }))
    }

    /// The wanted name; beside a predecessor another one until it is good, which marks it as not proven.
    async fn free_name(
        &self,
        request: &DeployRequest,
        predecessor: Option<&RuntimeContainer>,
    ) -> Result<String, DeployError> {
        let (wanted, beside) = (self.wanted_name(request), self.name_beside(request));
        let Some(predecessor) = predecessor else {
            return Ok(wanted);
        };
        if predecessor.name != wanted && self.named(&wanted).await?.is_some() {
            let taken = DeployError::new(DeployErrorKind::NameConflict, format!("the name {wanted} is taken"));
            return Err(self.explain_name(&wanted, taken).await);
        }
        Ok(if predecessor.name == beside { wanted } else { beside })
    }

    async fn make(
        &self,
        config: ContainerConfig,
        replaces: bool,
        context: &StepContext,
    ) -> Result<Candidate, DeployError> {
        go_on(context, "create")?;
        let mut tries = NAME_TRIES;
        let id = loop {
            tries -= 1;
            match self.runtime.create(&config).await {
                Ok(id) => break id,
                Err(error) if error.kind() == DeployErrorKind::NameConflict => {
                    // A holder that is being removed, by an earlier attempt perhaps, frees the name.
                    if tries > 0 && self.freed(&config.name, context).await? {
                        continue;
                    }
                    return Err(self.explain_name(&config.name, error).await);
                }
                Err(error) => return Err(error.in_step("create")),
            }
        };
        Ok(Candidate {
            id,
            name: config.name,
            state: InstanceState::Created,
            unproven: true,
            action: if replaces { "replaced" } else { "created" },
        })
    }

    /// Whether the holder of a name is gone, or going and gone after a wait.
    async fn freed(&self, name: &str, context: &StepContext) -> Result<bool, DeployError> {
        match self.named(name).await? {
            None => Ok(true),
            Some(holder) if holder.container.state == InstanceState::Removing => {
                self.until_gone(&holder.container, context).await.map(|()| true)
            }
            Some(_) => Ok(false),
        }
    }

    /// Lets the candidate take over from its predecessor and watches it until it is good.
    async fn bring_up(
        &self,
        request: &DeployRequest,
        candidate: &Candidate,
        predecessor: Option<&RuntimeContainer>,
        context: &StepContext,
    ) -> Result<Inspection, DeployError> {
        if let Some(predecessor) = predecessor {
            go_on(context, "stop")?;
            // An engine that was told to stop a container goes on with it, so to undo it means to wait for its end.
            let stop_time = stop_time(predecessor, &request.spec);
            let Some(_busy) = context.time.busy_for(stop_time) else {
                let message = format!(
                    "there is no time left to stop the predecessor {}, which may take {} s; give the task a longer timeout",
                    predecessor.name,
                    stop_time.as_secs()
                );
                return Err(DeployError::new(DeployErrorKind::Timeout, message).in_step("stop"));
            };
            self.halt(predecessor, None).await?;
        }
        if candidate.state == InstanceState::Paused {
            let stop = self.runtime.stop(&candidate.id, None);
            self.in_turn(network_key(request.stack.as_ref()), stop).await.map_err(|e| e.in_step("stop"))?;
        }
        if candidate.state != InstanceState::Running {
            go_on(context, "start")?;
            self.start_or_explain(&candidate.id, &request.spec.ports).await?;
        }
        self.until_good(
            &candidate.id,
            &Expectation::of(&request.spec).run_to_completion(request.run_to_completion),
            context,
        )
        .await
    }

    /// After success: only the new instance is left, under its own name. What fails here does not undo the success.
    async fn settle(
        &self,
        request: &DeployRequest,
        seen: &Inspection,
        predecessor: Option<&RuntimeContainer>,
        warnings: &mut Vec<String>,
    ) {
        if let Some(predecessor) = predecessor
            && let Err(error) = self.discard(predecessor, false).await
        {
            warnings.push(format!("the replaced container {} could not be removed: {error}", predecessor.name));
        }
        let wanted = self.wanted_name(request);
        if seen.container.name != wanted
            && let Err(error) = self.runtime.rename(&seen.container.id, &wanted).await
        {
            warnings.push(format!("container {} could not be renamed to {wanted}: {error}", seen.container.name));
        }
    }

    /// After a failure: as it was before, as far as that goes. What was done is added to the failure. Until the
    /// predecessor runs again the candidate stays, so that whoever repeats this after a crash knows why it does not.
    async fn undo(
        &self,
        request: &DeployRequest,
        mut error: DeployError,
        candidate: &Candidate,
        contents: &SlotContents,
    ) -> DeployError {
        let key = network_key(request.stack.as_ref());
        if let Some(predecessor) = contents.predecessor.as_ref().filter(|_| contents.predecessor_served()) {
            let revived = match self.in_turn(key, self.runtime.stop(&candidate.id, Some(0))).await {
                Ok(()) => self.start_or_explain(&predecessor.id, &[]).await,
                Err(still) => Err(still),
            };
            error = match revived {
                Ok(()) => error.noting(format!("its predecessor {} was started again", predecessor.name)),
                Err(lost) => {
                    return error
                        .noting(format!("its predecessor {} could not be started again: {lost}", predecessor.name));
                }
            };
        }
        if !candidate.unproven {
            return error;
        }
        match self.in_turn(key, self.runtime.remove(&candidate.id, true, false)).await {
            Ok(()) => error.noting(format!("container {} was removed again", candidate.name)),
            Err(left) => error.noting(format!("container {} could not be removed: {left}", candidate.name)),
        }
    }
}

/// How long a container may take to stop. One that does not carry its definition is taken for one of the wanted spec.
fn stop_time(container: &RuntimeContainer, wanted: &ContainerSpec) -> Duration {
    let own = Definition::read(container).map(|definition| definition.spec.stop_timeout);
    Duration::from_secs(u64::from(own.unwrap_or(wanted.stop_timeout)))
}

/// Engines change a limit in place and cannot lift one.
fn lifts_a_limit(wanted: ResourceLimits, actual: ResourceLimits) -> bool {
    (wanted.cpu_millis.is_none() && actual.cpu_millis.is_some())
        || (wanted.memory_bytes.is_none() && actual.memory_bytes.is_some())
}

fn outcome(
    request: &DeployRequest,
    candidate: &Candidate,
    seen: &Inspection,
    hash: &str,
    fetched: &Fetched,
    warnings: Vec<String>,
) -> Outcome {
    let ContainerSpec { name, image, .. } = &request.spec;
    let report = InstanceReport {
        container: name.clone(),
        slot: request.slot,
        runtime_id: candidate.id.clone(),
        name: seen.container.name.clone(),
        image_digest: Some(seen.container.image_id.clone()),
        spec_hash: Some(hash.to_owned()),
        action: candidate.action.to_owned(),
    };
    Outcome { instances: vec![report], warnings, data: json!({ "image": fetched.report(image) }) }
}
