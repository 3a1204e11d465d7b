//! What tests of your own program are made of, beside [`MemoryStore`](crate::store::MemoryStore),
//! [`MemoryRuntime`](crate::deploy::MemoryRuntime) and [`ManualClock`](crate::clock::ManualClock).
//!
//! [`FaultyStore`] puts a bad line between a caller and a store. With the feature `mocks` there is a mock of each trait, for a
//! test that says call by call what is expected; where the whole of a store matters, take a real one.

mod fault;
mod faulty_store;
#[cfg(feature = "mocks")]
mod mocks;

pub use fault::{Fault, FaultPlan};
pub use faulty_store::FaultyStore;
#[cfg(feature = "mocks")]
pub use mocks::{MockAgentStore, MockDeployer, MockExecutor, MockTaskStore};
