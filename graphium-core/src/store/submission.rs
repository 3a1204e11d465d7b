//! What is committed together.

use serde::{Deserialize, Serialize};

use super::RecordWrite;
use crate::event::NewEvent;
use crate::id::{Generation, StackName};
use crate::task::{NewTask, Task};

/// The most tasks that one submission may carry.
pub const MAX_TASKS_PER_SUBMISSION: usize = 1000;

/// The most records, and the most events, that one submission may carry.
pub const MAX_RECORDS_PER_SUBMISSION: usize = 1000;
/// The highest generation of a stack: what every JSON reader can hold as a number.
pub const MAX_GENERATION: Generation = Generation((1 << 53) - 1);

/// Tasks, records and events that are committed together or not at all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Submission {
    /// Tasks to enter the queue. They may depend on each other in any order.
    pub tasks: Vec<NewTask>,
    /// Records to write.
    pub records: Vec<RecordWrite>,
    /// Events to append, beside those of the tasks.
    pub events: Vec<NewEvent>,
    /// Makes this generation the stack's newest even without a task of it: tasks of lower ones that have not
    /// begun are cancelled. Submitting a task with a generation does the same for its stack.
    pub supersede: Option<(StackName, Generation)>,
    /// Forgets the newest generation of this stack, in the submission that deletes its record: the
    /// name may be used anew.
    pub forget: Option<StackName>,
    /// Who submits.
    pub actor: String,
}

impl Submission {
    /// A submission of tasks alone.
    #[must_use]
    pub fn of(actor: impl Into<String>, tasks: impl IntoIterator<Item = NewTask>) -> Self {
        Self { tasks: tasks.into_iter().collect(), actor: actor.into(), ..Self::default() }
    }
}

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Submitted {
    /// The tasks, in the order given. One whose idempotency key was known is the task of that time.
    pub tasks: Vec<Task>,
    /// The new version of each record, in the order given; 0 for a deleted one.
    pub versions: Vec<u64>,
}
