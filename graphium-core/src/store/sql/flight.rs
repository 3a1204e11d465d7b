//! A batch on its way into the file.

use std::collections::BTreeSet;

use super::command::Answer;
use crate::id::{Seq, TaskId};
use crate::store::RecordKey;
use crate::store::engine::Changes;

/// What is to be done once a batch is kept, and what is to be taken back when it is not.
pub(super) struct Flight {
    pub(super) answers: Vec<Answer>,
    /// The newest wait before the batch.
    pub(super) last_wait: u64,
    /// The newest event with the batch.
    pub(super) head: Seq,
    created: BTreeSet<TaskId>,
    changed: BTreeSet<TaskId>,
    records: BTreeSet<RecordKey>,
    /// Tasks that were read for it.
    loaded: Vec<TaskId>,
}

impl Flight {
    pub(super) fn new(answers: Vec<Answer>, changes: Changes, loaded: Vec<TaskId>, last_wait: u64, head: Seq) -> Self {
        let Changes { created, changed, records, .. } = changes;
        Self { answers, last_wait, head, created, changed, records, loaded }
    }

    /// The tasks that it has changed or looked at.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.created.iter().chain(&self.changed).chain(&self.loaded).copied()
    }

    /// The records that it writes or drops.
    pub(super) fn records(&self) -> impl Iterator<Item = &RecordKey> {
        self.records.iter()
    }

    /// Whether it writes or drops this record.
    pub(super) fn has_record(&self, key: &RecordKey) -> bool {
        self.records.contains(key)
    }
}
