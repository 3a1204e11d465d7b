//! Submit: tasks, records and events enter together or not at all.

use super::{Engine, Entry, SERVER};
use crate::id::Attempt;
use crate::store::{StoreError, Submission, Submitted};
use crate::task::{CancelReason, NewTask, Task, TaskEvent, TaskState};

impl Engine {
    /// Does a whole submission, or refuses it and changes nothing.
    pub(in crate::store) fn submit(&mut self, submission: Submission) -> Result<Submitted, StoreError> {
        let plan = self.check_submission(&submission)?;

        for (stack, generation) in &plan.generations {
            self.supersede(stack, *generation);
        }
        for task in plan.new {
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

        let given = submission.tasks.iter().map(|task| plan.meaning.get(&task.id).copied().unwrap_or(task.id));
        let tasks = given.map(|id| self.known(id).cloned()).collect::<Result<_, _>>()?;
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
            spec,
            created_at: self.now,
            ready_at: self.now,
            attempt: Attempt(0),
            retry_count: 0,
            claim_id: None,
            state: TaskState::NEW,
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
