//! How the process takes memory from the system.

use mimalloc::MiMalloc;

/// What one thread of the store makes another lets go of, which the allocator of the system is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Takes memory in small pages. The allocator asks for pages of 2 MiB where the system has them; with thousands of small
/// buffers, of which the first part is used, that makes half as much again resident.
pub(crate) fn take_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "the system gives memory in pages of its own choice");
    }
}
