//! What happened in a run: what executors did, what was acknowledged, and the store's own log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use graphium_core::event::Event;
use graphium_core::id::{AgentId, Attempt, Seq, TaskId};
use graphium_core::task::{Lane, Task};
use tokio::time::Instant;

/// One run of an executor.
#[derive(Debug, Clone)]
pub(crate) struct ExecutionSpan {
    pub(crate) task: TaskId,
    pub(crate) attempt: Attempt,
    pub(crate) agent: AgentId,
    pub(crate) lane: Option<Lane>,
    pub(crate) began: Instant,
    /// None while it runs.
    pub(crate) ended: Option<Instant>,
    /// What the executor said; none when it was dropped or panicked.
    pub(crate) said: Option<&'static str>,
}

/// Notes what happens outside the store while it happens.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    executions: Mutex<Vec<ExecutionSpan>>,
    acknowledged: Mutex<Vec<TaskId>>,
    retried: Mutex<BTreeSet<TaskId>>,
    twins: Mutex<BTreeSet<AgentId>>,
}

/// An execution that runs; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    recorder: Arc<Recorder>,
    index: usize,
}

impl Recorder {
    pub(crate) fn begin(self: &Arc<Self>, task: &Task) -> Running {
        let mut executions = self.executions.lock().unwrap();
        executions.push(ExecutionSpan {
            task: task.id(),
            attempt: task.attempt,
            agent: task.agent().clone(),
            lane: task.spec.lane.clone(),
            began: Instant::now(),
            ended: None,
            said: None,
        });
        Running { recorder: Arc::clone(self), index: executions.len() - 1 }
    }

    pub(crate) fn acknowledge(&self, tasks: impl IntoIterator<Item = TaskId>) {
        self.acknowledged.lock().unwrap().extend(tasks);
    }

    pub(crate) fn acknowledged(&self) -> Vec<TaskId> {
        self.acknowledged.lock().unwrap().clone()
    }

    pub(crate) fn retry(&self, task: TaskId) {
        self.retried.lock().unwrap().insert(task);
    }

    /// A second process began for an agent whose first one lives.
    pub(crate) fn twin(&self, agent: AgentId) {
        self.twins.lock().unwrap().insert(agent);
    }

    pub(crate) fn story(&self, log: Log) -> Story {
        Story {
            executions: self.executions.lock().unwrap().clone(),
            acknowledged: self.acknowledged(),
            retried: self.retried.lock().unwrap().clone(),
            twins: self.twins.lock().unwrap().clone(),
            events: log.events,
            followed: log.followed,
            tasks: log.tasks,
            handed_back: log.handed_back,
            complaints: log.complaints,
        }
    }
}

impl Running {
    pub(crate) fn says(&self, what: &'static str) {
        self.recorder.executions.lock().unwrap()[self.index].said = Some(what);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.recorder.executions.lock().unwrap()[self.index].ended = Some(Instant::now());
    }
}

/// What the store says at the end of a run.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) events: Vec<Event>,
    pub(crate) followed: Vec<Seq>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) handed_back: usize,
    pub(crate) complaints: Vec<String>,
}

/// A whole run, for the invariants to judge.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) executions: Vec<ExecutionSpan>,
    /// Tasks whose submission was answered.
    pub(crate) acknowledged: Vec<TaskId>,
    /// Tasks that somebody asked to be tried again.
    pub(crate) retried: BTreeSet<TaskId>,
    /// Agents for which two processes ran at once.
    pub(crate) twins: BTreeSet<AgentId>,
    /// The store's log, read at the end.
    pub(crate) events: Vec<Event>,
    /// The numbers that a reader saw who followed the log while it grew.
    pub(crate) followed: Vec<Seq>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) handed_back: usize,
    /// What went wrong in the run itself.
    pub(crate) complaints: Vec<String>,
}

impl Story {
    /// The run without what is random by nature, for comparing two runs.
    pub(crate) fn outline(&self) -> Vec<String> {
        let line = |event: &Event| {
            let mut data = event.data.clone();
            if let Some(fields) = data.as_object_mut() {
                fields.remove("session");
            }
            // A message may name a session.
            if let Some(failure) = data["error"].as_object_mut() {
                failure.remove("message");
            }
            format!("{} {:?} {:?} {data}", event.timestamp, event.kind, event.task_id)
        };
        self.events.iter().map(line).collect()
    }

    /// Whether some event says this.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.events.iter().any(|event| event.data.to_string().contains(text))
    }
}
