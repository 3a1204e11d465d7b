//! The server and the client, over real sockets and as a service.

#![expect(clippy::unwrap_used, reason = "a test without its ground cannot go on")]

mod agent;
mod conformance;
mod events;
mod harness;
mod health;
mod keys;
mod logs;
mod openapi;
mod plain_poll;
mod problems;
mod proxy;
mod restore;
mod roles;
mod shutdown;
mod stacks;
mod tls;
mod tokens;
