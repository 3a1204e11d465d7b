//! A ladder of small programs. Each is one module with a `run()` that its binary calls and a test checks.
//!
//! 1. [`embed_memory`]: the queue and an agent in one process, no server, no engine.
//! 2. [`custom_executor`]: progress, a retry, a cancel, and a failure that is final.
//! 3. [`faulty_line`]: a test against a line that loses calls and answers, with a mock.
//! 4. [`sqlite_inbox`]: a task that is submitted in the transaction of another program.

pub mod custom_executor;
pub mod embed_memory;
pub mod faulty_line;
pub mod sqlite_inbox;
