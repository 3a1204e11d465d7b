//! How long a piece of work may take, and until when it cannot end in good order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time of one piece of work. Clones speak of the same work.
#[derive(Debug, Clone, Default)]
pub struct WorkTime {
    deadline: Option<Instant>,
    busy_until: Arc<Mutex<Option<Instant>>>,
}

impl WorkTime {
    /// Until this instant.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }

    /// Begins something that takes at most `longest` and must not be broken off: as long as the answer is kept, whoever stops
    /// the work waits so long before it is dropped. None when the deadline comes before its end: do not begin it.
    #[must_use]
    pub fn busy_for(&self, longest: Duration) -> Option<Busy> {
        let until = Instant::now() + longest;
        if self.deadline.is_some_and(|deadline| deadline < until) {
            return None;
        }
        self.set(Some(until));
        Some(Busy(self.clone()))
    }

    /// Until when the work cannot end in good order, where it said so.
    #[must_use]
    pub fn busy_until(&self) -> Option<Instant> {
        *self.busy_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, until: Option<Instant>) {
        *self.busy_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Something that must not be broken off; over when this is dropped.
#[derive(Debug)]
pub struct Busy(WorkTime);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn what_ends_after_the_deadline_is_not_begun() {
        let time = WorkTime::until(Instant::now() + MINUTE);
        assert!(time.busy_for(MINUTE * 2).is_none());
        assert_eq!(time.busy_until(), None);
        assert!(time.busy_for(MINUTE).is_some());
        assert!(WorkTime::default().busy_for(MINUTE * 2).is_some(), "without a deadline there is always time");
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_busy_as_long_as_it_says() {
        let time = WorkTime::default();
        let busy = time.busy_for(MINUTE).unwrap();
        assert_eq!(time.clone().busy_until(), Some(Instant::now() + MINUTE));
        drop(busy);
        assert_eq!(time.busy_until(), None);
    }
}
