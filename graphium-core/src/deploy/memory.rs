//! Stub.
/// An engine in memory.
#[derive(Debug, Default)]
pub struct MemoryRuntime;
