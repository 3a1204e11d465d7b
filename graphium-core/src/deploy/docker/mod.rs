//! The Docker runtime.
