//! A ladder of small programs. Each is one module with a `run()` that its binary calls and a test checks.
//!
//! 1. [`embed_memory`]: the queue and an agent in one process, no server, no engine.
//! 2. [`custom_executor`]: progress, a retry, a cancel, and a failure that is final.

pub mod custom_executor;
pub mod embed_memory;
