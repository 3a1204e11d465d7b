//! Where Python and its programs are.

use std::path::{Path, PathBuf};

/// Any Python of the machine: for programs that need nothing but its library.
pub(crate) const ANY: &str = "python3";

/// A program of the benches.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name)
}
