//! Graphium over HTTP: a [router](server) that serves a store, and a [client] that *is* the agent's side of one.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;
