//! A submission is checked whole before any of it is done.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Engine;
use super::condemn::refuse_unreadable;
use crate::id::{Generation, StackName, TaskId};
use crate::store::{
    MAX_GENERATION, MAX_RECORDS_PER_SUBMISSION, MAX_TASKS_PER_SUBMISSION, StoreError, StoreErrorKind, Submission,
};
use crate::task::{NewTask, Task};

/// A submission that may be done, and how.
#[derive(Debug)]
pub(super) struct Plan {
    /// The submitted ids whose idempotency keys are known, with the tasks of these.
    known: HashMap<TaskId, TaskId>,
    /// The places in the submission of the tasks that are new, dependencies first.
    pub(super) new: Vec<usize>,
    /// The newest generation of each stack that the submission speaks of.
    pub(super) generations: BTreeMap<StackName, Generation>,
}

impl Plan {
    /// The task that a submitted id means.
    pub(super) fn meaning_of(&self, id: TaskId) -> TaskId {
        self.known.get(&id).copied().unwrap_or(id)
    }
}

fn refuse<T>(kind: StoreErrorKind, message: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::new(kind, message))
}

impl Engine {
    /// Checks a submission against its limits, itself and what is known. Its tasks depend on the tasks that their
    /// dependencies mean afterwards.
    pub(super) fn check_submission(&self, submission: &mut Submission) -> Result<Plan, StoreError> {
        check_limits(submission)?;
        let known = self.known_keys(submission)?;
        for dependency in submission.tasks.iter_mut().flat_map(|task| &mut task.depends_on) {
            if let Some(meant) = known.get(dependency) {
                *dependency = *meant;
            }
        }

        let mut new = Vec::new();
        for (index, task) in submission.tasks.iter().enumerate() {
            if let Some(earlier) = known.get(&task.id) {
                same_body(self.known(*earlier)?, task)?;
            } else if self.tasks.contains_key(&task.id) {
                let message = format!("task {} exists already: give each task a fresh id", task.id);
                return refuse(StoreErrorKind::Conflict, message);
            } else {
                new.push((index, task));
            }
        }
        let tasks: Vec<_> = new.iter().map(|(_, task)| *task).collect();
        self.check_dependencies(&tasks)?;
        let order = in_order_of_dependency(&tasks)?;
        let generations = self.check_generations(submission, &tasks)?;
        self.check_records(&submission.records)?;
        let new = order.into_iter().filter_map(|place| new.get(place)).map(|(index, _)| *index).collect();
        Ok(Plan { known, new, generations })
    }

    /// The tasks whose idempotency key was seen before, with the task of that time.
    fn known_keys(&self, submission: &Submission) -> Result<HashMap<TaskId, TaskId>, StoreError> {
        let mut seen = BTreeSet::new();
        let mut known = HashMap::new();
        for task in &submission.tasks {
            let Some(key) = &task.idempotency_key else { continue };
            if !seen.insert(key) {
                let message = format!("the submission uses idempotency key {:?} twice: use it once", key.as_str());
                return refuse(StoreErrorKind::Invalid, message);
            }
            if let Some(earlier) = self.keys.get(key) {
                known.insert(task.id, *earlier);
            }
        }
        Ok(known)
    }

    fn check_dependencies(&self, new: &[&NewTask]) -> Result<(), StoreError> {
        let own: HashSet<_> = new.iter().map(|task| task.id).collect();
        for task in new {
            for dependency in &task.depends_on {
                if !own.contains(dependency) && !self.tasks.contains_key(dependency) {
                    let message =
                        format!("task {} depends on task {dependency}, which does not exist: submit it first", task.id);
                    return refuse(StoreErrorKind::Invalid, message);
                }
            }
        }
        Ok(())
    }

    fn check_generations(
        &self,
        submission: &Submission,
        new: &[&NewTask],
    ) -> Result<BTreeMap<StackName, Generation>, StoreError> {
        let mut wanted: BTreeMap<StackName, Generation> = BTreeMap::new();
        let placed = new.iter().filter_map(|task| task.placed.as_ref()).map(|p| (&p.stack, p.generation));
        let named = submission.supersede.iter().map(|(stack, generation)| (stack, *generation));
        for (stack, generation) in placed.chain(named) {
            let newest = wanted.entry(stack.clone()).or_insert(generation);
            *newest = (*newest).max(generation);
        }
        let known = |stack| self.lives.get(stack).map(|life| life.newest).unwrap_or_default();
        for (stack, generation) in &wanted {
            if *generation > MAX_GENERATION {
                let message = format!("generation {generation} of stack {stack} is too high: at most {MAX_GENERATION}");
                return refuse(StoreErrorKind::Invalid, message);
            }
            if *generation < known(stack) {
                return superseded(stack, *generation, known(stack));
            }
        }
        for placed in new.iter().filter_map(|task| task.placed.as_ref()) {
            let newest = wanted.get(&placed.stack).copied().unwrap_or_default();
            if placed.generation < newest {
                return superseded(&placed.stack, placed.generation, newest);
            }
        }
        if let Some(stack) = submission.forget.as_ref().filter(|stack| wanted.contains_key(*stack)) {
            let message = format!("the submission forgets stack {stack} and adds to it: do one of the two");
            return refuse(StoreErrorKind::Invalid, message);
        }
        Ok(wanted)
    }
}

fn superseded<T>(stack: &StackName, given: Generation, newest: Generation) -> Result<T, StoreError> {
    let message = format!("generation {given} of stack {stack} is superseded by generation {newest}: deploy anew");
    refuse(StoreErrorKind::Superseded, message)
}

fn check_limits(submission: &Submission) -> Result<(), StoreError> {
    let count = submission.tasks.len();
    if count > MAX_TASKS_PER_SUBMISSION {
        let message = format!("{count} tasks are too many for one submission: at most {MAX_TASKS_PER_SUBMISSION}");
        return refuse(StoreErrorKind::Invalid, message);
    }
    let others = submission.records.len().max(submission.events.len());
    if others > MAX_RECORDS_PER_SUBMISSION {
        let message =
            format!("{others} records or events are too many for one submission: at most {MAX_RECORDS_PER_SUBMISSION}");
        return refuse(StoreErrorKind::Invalid, message);
    }
    let mut ids = HashSet::new();
    for task in &submission.tasks {
        if !ids.insert(task.id) {
            return refuse(StoreErrorKind::Invalid, format!("the submission has task {} twice", task.id));
        }
        let problem = task.validate().err().map(|problem| problem.to_string());
        let problem = problem.or_else(|| task.task_type.check_payload(&task.payload).err().map(|p| p.to_string()));
        if let Some(problem) = problem {
            return refuse(StoreErrorKind::Invalid, format!("task {}: {problem}", task.id));
        }
    }
    Ok(())
}

fn same_body(earlier: &Task, task: &NewTask) -> Result<(), StoreError> {
    refuse_unreadable(earlier)?;
    let mut body = task.clone();
    body.id = earlier.spec.id;
    body.created_by.clone_from(&earlier.spec.created_by);
    if body == *earlier.spec {
        return Ok(());
    }
    let key = task.idempotency_key.as_ref().map_or("", |key| key.as_str());
    let message =
        format!("idempotency key {key:?} belongs to task {} with another content: use another key", earlier.id());
    refuse(StoreErrorKind::Conflict, message)
}

/// The order in which each task comes after those of them that it depends on, and otherwise as given. Within a lane tasks
/// then never wait for one behind them.
fn in_order_of_dependency(tasks: &[&NewTask]) -> Result<Vec<usize>, StoreError> {
    if tasks.iter().all(|task| task.depends_on.is_empty()) {
        return Ok((0..tasks.len()).collect());
    }
    let place: HashMap<_, _> = tasks.iter().enumerate().map(|(index, task)| (task.id, index)).collect();
    let mut dependants = vec![Vec::new(); tasks.len()];
    let mut open = vec![0_usize; tasks.len()];
    for (index, task) in tasks.iter().enumerate() {
        let dependencies: BTreeSet<_> = task.depends_on.iter().filter_map(|id| place.get(id)).collect();
        open[index] = dependencies.len();
        for dependency in dependencies {
            dependants[*dependency].push(index);
        }
    }
    let mut free: BTreeSet<_> = (0..tasks.len()).filter(|index| open[*index] == 0).collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(index) = free.pop_first() {
        order.push(index);
        for dependant in &dependants[index] {
            open[*dependant] -= 1;
            if open[*dependant] == 0 {
                free.insert(*dependant);
            }
        }
    }
    if let Some(stuck) = open.iter().position(|count| *count > 0) {
        let id = tasks[stuck].id;
        return refuse(StoreErrorKind::Invalid, format!("the dependencies of task {id} form a cycle: break it"));
    }
    Ok(order)
}
