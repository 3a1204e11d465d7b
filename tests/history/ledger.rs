//! What those who make a run know of it while it goes on.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use graphium_core::event::{Event, EventType};
use graphium_core::id::TaskId;

/// Shared by the clients, the readers and the script.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    acknowledged: Mutex<Vec<TaskId>>,
    open: AtomicI64,
    counted: Mutex<BTreeMap<&'static str, u64>>,
    complaints: Mutex<Vec<String>>,
}

impl Ledger {
    /// Tasks whose submission was answered.
    pub(crate) fn acknowledge(&self, tasks: &[TaskId]) {
        self.acknowledged.lock().expect("nobody panics while holding it").extend(tasks);
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("nobody panics while holding it").len()
    }

    /// Those that were acknowledged after so many.
    pub(crate) fn acknowledged_since(&self, number: usize) -> Vec<TaskId> {
        self.acknowledged.lock().expect("nobody panics while holding it")[number..].to_vec()
    }

    /// One of the acknowledged tasks: mostly a late one, by a number that is drawn.
    pub(crate) fn draw(&self, drawn: usize) -> Option<TaskId> {
        let acknowledged = self.acknowledged.lock().expect("nobody panics while holding it");
        let back = if drawn.is_multiple_of(4) { drawn / 4 } else { drawn % 64 };
        acknowledged.len().checked_sub(1 + back % acknowledged.len().max(1)).map(|index| acknowledged[index])
    }

    /// How many tasks are not settled, as far as a reader of the log has come.
    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// A reader has come past an event.
    pub(crate) fn saw(&self, event: &Event) {
        let is_settled = |field: &str| matches!(event.data[field].as_str(), Some("completed" | "failed" | "cancelled"));
        let change = if event.kind == EventType::TaskCreated {
            1
        } else if event.kind == EventType::TaskUpdated {
            i64::from(is_settled("previousStatus")) - i64::from(is_settled("status"))
        } else {
            return;
        };
        self.open.fetch_add(change, Ordering::Relaxed);
    }

    /// Something was done once more.
    pub(crate) fn count(&self, what: &'static str) {
        *self.counted.lock().expect("nobody panics while holding it").entry(what).or_default() += 1;
    }

    pub(crate) fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.counted.lock().expect("nobody panics while holding it").clone()
    }

    /// Something went wrong in the run itself.
    pub(crate) fn complain(&self, what: impl Into<String>) {
        self.complaints.lock().expect("nobody panics while holding it").push(what.into());
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("nobody panics while holding it").clone()
    }
}
