//! What several of the test programs need.

mod engine;
mod probe;

pub use engine::EnginePresence;
pub use probe::{file_system, probe_image};
