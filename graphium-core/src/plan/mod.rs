//! Pure: from what is wanted and what was observed to steps, and from what steps came to, to what comes next.
//!
//! Nothing here awaits, reads a clock or knows a store. The same input gives the same plan.

mod action;
mod deploy;
mod difference;
mod order;
mod rollout;
mod work;

#[cfg(test)]
mod sample;

pub use action::{Places, delete, restart, start, stop};
pub use deploy::deploy;
pub use rollout::{MAX_STEPS_AT_ONCE, Next, StepResult, next};
pub use work::task_for;

use crate::stack::Step;

/// Steps in an order that respects their dependencies, and what is worth knowing about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps. A step's place is its number.
    pub steps: Vec<Step>,
    /// What is worth knowing and harmless.
    pub warnings: Vec<String>,
}
