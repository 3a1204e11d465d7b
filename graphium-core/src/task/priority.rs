//! Priority and age as one static key, so a low priority waits a bounded time and nothing is re-ranked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::TaskId;

/// How much older a task of the next lower priority must be to go first.
///
/// A task of priority 0 thus waits at most ten steps behind a saturating stream of priority 10.
pub const AGEING_STEP: Duration = Duration::from_secs(60);

/// Urgency from 0 to 10; 10 is the most urgent, 5 the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

/// A priority above 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("priority {0} is out of range: it is 0 to 10")]
pub struct PriorityOutOfRange(u8);

impl Priority {
    /// The least urgent. A real value, not "unset".
    pub const LOWEST: Self = Self(0);
    /// What a task gets when nothing is said.
    pub const DEFAULT: Self = Self(5);
    /// What a stop gets when nothing is said.
    pub const STOP: Self = Self(6);
    /// What a delete gets when nothing is said.
    pub const DELETE: Self = Self(7);
    /// The most urgent.
    pub const HIGHEST: Self = Self(10);

    /// Checks the number.
    ///
    /// # Errors
    /// [`PriorityOutOfRange`] above 10.
    pub const fn new(value: u8) -> Result<Self, PriorityOutOfRange> {
        if value > Self::HIGHEST.0 { Err(PriorityOutOfRange(value)) } else { Ok(Self(value)) }
    }

    /// The number, 0 to 10.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Priority {
    type Error = PriorityOutOfRange;
    fn try_from(value: u8) -> Result<Self, PriorityOutOfRange> {
        Self::new(value)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

/// The order of claims: `ready_at - priority * AGEING_STEP`, then the id (ids sort by age).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(Timestamp, TaskId);

impl OrderKey {
    /// The key of a task.
    #[must_use]
    pub fn new(ready_at: Timestamp, priority: Priority, id: TaskId) -> Self {
        Self(ready_at.before(AGEING_STEP * u32::from(priority.0)), id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_priority_goes_first_once_it_is_ten_steps_older() {
        let start = Timestamp::from_micros(1_000_000_000_000);
        let low = OrderKey::new(start, Priority::LOWEST, TaskId::generate());
        let waits = AGEING_STEP * u32::from(Priority::HIGHEST.get());

        let before = OrderKey::new(start.after(waits - Duration::from_secs(1)), Priority::HIGHEST, TaskId::generate());
        let after = OrderKey::new(start.after(waits + Duration::from_secs(1)), Priority::HIGHEST, TaskId::generate());

        assert!(before < low);
        assert!(low < after);
    }

    #[test]
    fn priority_eleven_is_refused() {
        assert_eq!(Priority::new(11), Err(PriorityOutOfRange(11)));
    }
}
