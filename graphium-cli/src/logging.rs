//! Logs go to the error stream; `GRAPHIUM_LOG` chooses what is logged, as `RUST_LOG` does elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// The variable that overrides what is logged: a level, or `target=level` pairs.
const VARIABLE: &str = "GRAPHIUM_LOG";

/// Starts logging at this level unless the environment says otherwise.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}
