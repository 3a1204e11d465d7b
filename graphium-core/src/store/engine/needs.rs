//! What a command looks at that may not be in memory.

use std::collections::BTreeSet;

use super::{Cutoffs, Engine};
use crate::id::{Attempt, TaskId};
use crate::store::{ClaimRequest, RecordKey, Submission};
use crate::task::IdempotencyKey;

/// What must be loaded before a command is applied. Only what is not in memory.
#[derive(Debug, Default, PartialEq)]
pub(in crate::store) struct Needs {
    pub(in crate::store) tasks: BTreeSet<TaskId>,
    pub(in crate::store) attempts: BTreeSet<(TaskId, Attempt)>,
    /// Idempotency keys, with their tasks.
    pub(in crate::store) keys: BTreeSet<IdempotencyKey>,
    pub(in crate::store) records: BTreeSet<RecordKey>,
    /// Tasks with all that fell with them, and the dependencies of these.
    pub(in crate::store) cascades: BTreeSet<TaskId>,
    /// What may be pruned.
    pub(in crate::store) due: Option<Cutoffs>,
}

impl Engine {
    /// What a submission looks at.
    pub(in crate::store) fn need_for_submission(&self, submission: &Submission, needs: &mut Needs) {
        let own = submission.tasks.iter().map(|task| task.id);
        let dependencies = submission.tasks.iter().flat_map(|task| task.depends_on.iter().copied());
        let elsewhere = |id: &TaskId| Some(*id) <= self.greatest_elsewhere && !self.tasks.contains_key(id);
        needs.tasks.extend(own.chain(dependencies).filter(elsewhere));
        let keys = submission.tasks.iter().filter_map(|task| task.idempotency_key.as_ref());
        needs.keys.extend(keys.filter(|key| !self.keys.contains_key(key)).cloned());
        let records = submission.records.iter().map(|write| &write.key);
        needs.records.extend(records.filter(|key| !self.records.contains_key(key)).cloned());
    }

    /// What a claim looks at: what it reports about.
    pub(in crate::store) fn need_for_claim(&self, request: &ClaimRequest, needs: &mut Needs) {
        for report in &request.reports {
            self.need_for_task(report.task, needs);
            let key = (report.task, report.attempt);
            if !self.attempts.contains_key(&key) {
                needs.attempts.insert(key);
            }
        }
    }

    /// What a question about one task looks at.
    pub(in crate::store) fn need_for_task(&self, id: TaskId, needs: &mut Needs) {
        if !self.tasks.contains_key(&id) {
            needs.tasks.insert(id);
        }
    }
}
