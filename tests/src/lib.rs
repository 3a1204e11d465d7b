//! What several of the test programs need.

mod engine;
pub mod history;
mod line;
mod needed;
mod postgres;
mod probe;
mod server;

pub use engine::EnginePresence;
pub use line::Line;
pub use needed::Needed;
pub use postgres::PostgresServer;
pub use probe::{file_system, probe_image};
pub use server::{free_port, graphium_binary};
