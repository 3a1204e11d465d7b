//! What several of the test programs need.

mod probe;

pub use probe::{file_system, probe_image};
