//! The command line as a user meets it: the real binary, its exit codes and what it prints.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arguments;
mod demo;
mod graphium;
mod server;
mod stacks;
mod store;
mod talking;
mod tasks;
