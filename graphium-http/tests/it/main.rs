//! The server and the client, over real sockets and as a service.

#![expect(clippy::unwrap_used, reason = "a test without its ground cannot go on")]

mod agent;
mod harness;
mod problems;
mod roles;
mod stacks;
