//! The `graphium` binary, and an address for a server of it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, ensure};

/// Names a binary to be tested in the place of one that is built.
const BINARY: &str = "GRAPHIUM_BINARY";

/// The binary, built once by the cargo that runs the tests and with the same profile, or the one that `GRAPHIUM_BINARY`
/// names.
///
/// # Errors
/// When it does not build.
pub fn graphium_binary() -> anyhow::Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn build() -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os(BINARY) {
        return Ok(PathBuf::from(binary));
    }
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("a test lives in target/{profile}/deps")?;
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "graphium-cli", "--bin", "graphium"]);
    cargo.arg("--target-dir").arg(profile.parent().context("the profile has a parent")?);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What the outer cargo says of the test's package would make build scripts run anew, and all that depends on them.
    let of_the_test =
        |name: &str| name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_the_test)) {
        cargo.env_remove(name);
    }
    ensure!(cargo.status()?.success(), "the graphium binary does not build");
    Ok(profile.join("graphium"))
}

/// A free port on loopback, given back at once: a server that is killed and started again keeps its address.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
