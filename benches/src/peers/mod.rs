//! Other queues on SQLite, each in a process of its own that prints what it found.

pub(crate) mod python;
