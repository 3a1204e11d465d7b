//! Submit: tasks, records and events enter together or not at all.

use std::sync::Arc;

use super::{Engine, Entry, SERVER};
use crate::id::Attempt;
use crate::store::{StoreError, Submission, Submitted};
use crate::task::{CancelReason, NewTask, Task, TaskEvent, TaskState};

impl Engine {
    /// Does a whole submission, or refuses it and changes nothing.
    pub(in crate::store) fn submit(&mut self, mut submission: Submission) -> Result<Submitted, StoreError> {
        self.check_held(&submission)?;
        let plan = self.check_submission(&mut submission)?;
        let given: Vec<_> = submission.tasks.iter().map(|task| plan.meaning_of(task.id)).collect();

        for (stack, generation) in &plan.generations {
            self.supersede(stack, *generation);
        }
        let mut tasks: Vec<_> = submission.tasks.into_iter().map(Some).collect();
        for task in plan.new.into_iter().filter_map(|index| tasks.get_mut(index)?.take()) {
            self.create(task, &submission.actor);
        }
        self.cascade();
        let versions = self.write_records(submission.records);
        for event in submission.events {
            self.log(event);
        }
        if let Some(stack) = &submission.forget {
            self.forget_stack(stack);
        }

        let tasks = given.into_iter().map(|id| self.known(id).cloned()).collect::<Result<_, _>>()?;
        Ok(Submitted { tasks, versions })
    }

    fn create(&mut self, spec: NewTask, actor: &str) {
        let (id, fallen) = (spec.id, self.fallen_dependency(&spec.depends_on));
        self.changes.edges.extend(spec.depends_on.iter().map(|dependency| (*dependency, id)));
        if let Some(key) = &spec.idempotency_key {
            self.keys.insert(key.clone(), id);
            self.changes.keys.insert(key.clone(), id);
        }
        self.count_created(&spec.task_type);
        self.last_number += 1;
        let task = Task {
            spec: Arc::new(spec),
            created_at: self.now,
            ready_at: self.now,
            attempt: Attempt(0),
            retry_count: 0,
            claim_id: None,
            state: TaskState::NEW,
            unreadable: None,
        };
        self.tasks.insert(id, Entry::new(task, self.last_number));
        self.changes.created.insert(id);
        self.connect(id);
        self.log_created(id, actor);
        match fallen {
            None => self.refresh(id),
            Some(dependency) => {
                let reason = CancelReason::DependencyFailed { dependency };
                self.must_step(id, TaskEvent::Cancel { at: self.now, reason }, SERVER);
            }
        }
    }
}
