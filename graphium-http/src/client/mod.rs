//! The client: what a command line asks a server, and the agent's side of a store over HTTP.
//!
//! Every attempt is bounded in time. Nothing is retried behind the caller's back but the event stream, which resumes
//! where it was cut, and an agent's call whose credential had just expired.

mod agent;
mod builder;
mod credential;
mod error;
mod events;
mod hosts;
mod sse;
mod stacks;
mod store;
mod tasks;
mod tokens;

pub use agent::{HttpAgent, POLL_MARGIN};
pub use builder::{Client, ClientBuilder, DEFAULT_CALL_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, MAX_RESPONSE_BYTES};
pub use credential::{AgentCredential, AgentKey, InvalidKey};
pub use error::{ClientError, kind_of};
pub use events::{EventStream, STREAM_SILENCE};
pub use hosts::InstanceFilter;
