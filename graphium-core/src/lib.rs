//! Placeholder for the crate page.

pub mod agent;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod control;
pub mod deploy;
pub mod event;
pub mod execute;
pub mod id;
mod openapi;
pub mod placement;
pub mod plan;
pub mod stack;
pub mod store;
pub mod task;
