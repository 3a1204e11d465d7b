//! Peers that are packages of their own outside the workspace, because they pin other versions.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::ensure;
use tokio::process::Command;

/// Builds the package and answers with its program. A second time that is quick.
pub(super) async fn program(package: &str) -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(package).join("Cargo.toml");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/benchmarks/peers");
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(&target).stdin(Stdio::null());
    let output = command.output().await?;
    ensure!(output.status.success(), "it cannot be built: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(target.join("release").join(format!("graphium-benches-{package}")))
}
