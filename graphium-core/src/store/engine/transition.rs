//! The one place where a task changes, with everything that must change with it.

use serde_json::{Map, Value, json};

use super::attempt::{ending, in_progress};
use super::{AttemptEntry, Engine};
use crate::event::{EventType, NewEvent};
use crate::id::TaskId;
use crate::task::{InvalidTransition, Task, TaskEvent, TaskState};

type Ending = Option<(&'static str, Option<String>)>;

impl Engine {
    /// Applies an event to a task in memory: its state, its attempt, its place, the counters and the log.
    /// Dependants of a task that falls by it wait in `fallen` for [`cascade`](Self::cascade).
    ///
    /// # Panics
    /// When the state does not admit the event: the caller has checked that it does.
    pub(super) fn must_step(&mut self, id: TaskId, event: TaskEvent, actor: &str) {
        self.must_step_with(id, event, actor, |_| {});
    }

    /// The same, with other fields of the task changing together with its state.
    pub(super) fn must_step_with(&mut self, id: TaskId, event: TaskEvent, actor: &str, adjust: impl FnOnce(&mut Task)) {
        self.step_with(id, event, actor, adjust).expect("the state was checked before the event was made");
    }

    fn step_with(
        &mut self,
        id: TaskId,
        event: TaskEvent,
        actor: &str,
        adjust: impl FnOnce(&mut Task),
    ) -> Result<(), InvalidTransition> {
        let ending = ending(&event);
        let entry = self.tasks.get_mut(&id).expect("the caller has found the task in memory");
        let after = entry.task.state.clone().apply(event)?;
        if after == entry.task.state {
            return Ok(());
        }
        let before = std::mem::replace(&mut entry.task.state, after);
        let ready_at = entry.task.ready_at;
        adjust(&mut entry.task);
        if before.is_settled() || entry.task.state.is_settled() || entry.task.ready_at != ready_at {
            self.changes.moved.insert(id);
        }

        self.follow_attempt(id, &before, ending);
        self.follow_dependants(id);
        self.follow_count_and_log(id, &before, actor);
        if !self.changes.created.contains(&id) {
            self.changes.changed.insert(id);
        }
        self.refresh(id);
        Ok(())
    }

    fn follow_attempt(&mut self, id: TaskId, before: &TaskState, ending: Ending) {
        let Some(task) = self.tasks.get(&id).map(|entry| &entry.task) else { return };
        let Some(opened) = in_progress(&task.state).or_else(|| in_progress(before)) else { return };
        let (key, now) = ((id, opened.attempt), self.now);
        let entry = self.attempts.entry(key).or_insert_with(|| AttemptEntry { task: id, record: opened, report: None });
        if let TaskState::Running { started_at, .. } = &task.state {
            entry.record.started_at.get_or_insert(*started_at);
        }
        if let Some((ended, error)) = ending {
            entry.record.ended_at = Some(now);
            entry.record.ended = Some(ended.to_owned());
            entry.record.error = error;
            if let Some(host) = self.hosts.get_mut(task.agent()) {
                host.attempts_ended += 1;
                self.changes.attempts_ended.insert(host.id.clone());
            }
        }
        self.changes.attempts.insert(key);
    }

    fn follow_dependants(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get(&id) else { return };
        match &entry.task.state {
            TaskState::Completed { .. } => self.satisfy(id),
            TaskState::Failed { .. } | TaskState::Cancelled { .. } => self.fallen.push(id),
            TaskState::Pending { .. } | TaskState::Assigned { .. } | TaskState::Running { .. } => {}
        }
    }

    fn follow_count_and_log(&mut self, id: TaskId, before: &TaskState, actor: &str) {
        let Some(task) = self.tasks.get(&id).map(|entry| &entry.task) else { return };
        let (from, to) = (before.status(), task.status());
        let wished = |state: &TaskState| state.lease().is_some_and(|lease| lease.cancel.is_some());
        let wished = wished(&task.state) && !wished(before);
        if wished || (before.lease().is_some() && task.state.lease().is_none()) {
            self.woken.insert(task.agent().clone());
        }
        let progress = progress_of(before, task);
        let updated = (from != to || wished).then(|| update_of(before, task));
        let about = |kind, data| about(task, kind, actor, data);
        let events: Vec<_> = [
            updated.map(|data| about(EventType::TaskUpdated, data)),
            progress.map(|data| about(EventType::TaskProgress, data)),
        ]
        .into_iter()
        .flatten()
        .collect();
        self.count_moved(from, to);
        for event in events {
            self.log(event);
        }
    }

    /// Logs that a task entered the queue.
    pub(super) fn log_created(&mut self, id: TaskId, actor: &str) {
        let Some(task) = self.tasks.get(&id).map(|entry| &entry.task) else { return };
        let data = json!({
            "status": task.status(),
            "taskType": task.spec.task_type,
            "priority": task.spec.priority,
            "attempt": task.attempt,
        });
        self.log(about(task, EventType::TaskCreated, actor, data));
    }
}

fn about(task: &Task, kind: EventType, actor: &str, data: Value) -> NewEvent {
    NewEvent {
        kind,
        task: Some(task.id()),
        stack: task.spec.placed.as_ref().map(|placed| placed.stack.clone()),
        agent: Some(task.agent().clone()),
        actor: actor.to_owned(),
        data,
    }
}

fn progress_of(before: &TaskState, task: &Task) -> Option<Value> {
    let TaskState::Running { progress: Some(now), .. } = &task.state else { return None };
    if matches!(before, TaskState::Running { progress: Some(earlier), .. } if earlier == now) {
        return None;
    }
    Some(json!({ "attempt": task.attempt, "progress": now }))
}

fn update_of(before: &TaskState, task: &Task) -> Value {
    let mut data = Map::new();
    data.insert("status".into(), json!(task.status()));
    data.insert("previousStatus".into(), json!(before.status()));
    data.insert("attempt".into(), json!(task.attempt));
    data.insert("taskType".into(), json!(task.spec.task_type));
    match &task.state {
        TaskState::Pending { not_before, last_failure } => {
            if let Some(failure) = last_failure {
                data.insert("error".into(), json!(failure));
                data.insert("retryCount".into(), json!(task.retry_count));
            }
            if let Some(at) = not_before {
                data.insert("notBefore".into(), json!(at));
            }
        }
        TaskState::Assigned { lease } | TaskState::Running { lease, .. } => {
            if let Some(cancel) = &lease.cancel {
                data.insert("cancelRequestedAt".into(), json!(cancel.at));
                data.insert("cancelReason".into(), json!(cancel.reason));
            }
        }
        TaskState::Completed { .. } => {}
        TaskState::Failed { failure, .. } => {
            data.insert("error".into(), json!(failure));
        }
        TaskState::Cancelled { reason, undone, .. } => {
            data.insert("cancelReason".into(), json!(reason));
            if let Some(undone) = undone {
                data.insert("undone".into(), json!(undone));
            }
        }
    }
    Value::Object(data)
}
