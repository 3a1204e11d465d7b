//! What a deployer is asked to do.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::WorkTime;
use crate::id::{ContainerName, Generation, Slot, StackName, TaskId};
use crate::stack::{ContainerSpec, NetworkSpec, PullPolicy};
use crate::task::{Progress, UpdateSpec};

/// Takes what a step says about its progress. Must not block.
pub trait ProgressSink: fmt::Debug + Send + Sync {
    /// The work is in this step, so far.
    fn report(&self, progress: Progress);
}

/// Drops what it hears.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentProgress;

impl ProgressSink for SilentProgress {
    fn report(&self, _progress: Progress) {}
}

/// What surrounds one piece of work: the wish to stop it, and somebody to tell about it.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// Cancelled when the work must stop.
    pub cancel: CancellationToken,
    /// Who hears about progress.
    pub progress: Arc<dyn ProgressSink>,
    /// The task that the work belongs to; becomes a label on what is made.
    pub task: Option<TaskId>,
    /// How long it may take.
    pub time: WorkTime,
}

impl StepContext {
    /// Nobody stops it and nobody listens.
    #[must_use]
    pub fn detached() -> Self {
        Self {
            cancel: CancellationToken::new(),
            progress: Arc::new(SilentProgress),
            task: None,
            time: WorkTime::default(),
        }
    }

    /// Says that the work is in this step.
    pub fn step(&self, step: &str) {
        self.progress.report(Progress { step: step.to_owned(), percent: None, message: None });
    }
}

/// One instance, by what it is an instance of, or by the engine's id where exactly one container is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceTarget {
    /// The engine's id, or none to find it by the rest.
    pub runtime_id: Option<String>,
    /// The stack; none for a container of a bare task.
    pub stack: Option<StackName>,
    /// The container spec. May be absent only where the engine's id is given.
    pub container: Option<ContainerName>,
    /// The replica.
    pub slot: Slot,
}

/// Ask for an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployRequest {
    /// The stack; none for a container of a bare task.
    pub stack: Option<StackName>,
    /// What it must be like.
    pub spec: ContainerSpec,
    /// The replica.
    pub slot: Slot,
    /// The deployment it belongs to.
    pub generation: Generation,
    /// The network of its stack; the engine's default when none.
    pub network: Option<NetworkSpec>,
    /// When the image is pulled.
    pub pull_policy: PullPolicy,
    /// Good means that it ended with 0, however long that takes, not that it runs.
    pub run_to_completion: bool,
}

/// Ask for the end of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Which.
    pub target: InstanceTarget,
    /// Kill instead of stopping first.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub remove_volumes: bool,
    /// Seconds that it gets to end by itself.
    pub stop_timeout: Option<u32>,
}

/// Ask for a change of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateRequest {
    /// Which.
    pub target: InstanceTarget,
    /// What to change.
    pub changes: UpdateSpec,
}

/// Ask for the end of everything that a stack has on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanupRequest {
    /// The stack.
    pub stack: StackName,
    /// Remove its named volumes too.
    pub remove_volumes: bool,
}
