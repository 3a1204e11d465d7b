//! Where Python, the programs for it and its packages are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

/// Any Python of the machine: for programs that need nothing but its library.
pub(crate) const ANY: &str = "python3";
/// The Python that the pinned packages are for.
const PINNED: &str = "python3.11";
/// The folder of the packages, below `target`.
const FOLDER: &str = "../target/benchmarks/python";

/// A program of the benches.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A Python with the packages of the peers, installed at its first use and whenever they are pinned otherwise.
pub(super) async fn with_peers() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    let wanted = script("peers/requirements.txt");
    let pins = std::fs::read_to_string(&wanted)?;
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == pins) {
        return Ok(python);
    }
    run(PINNED, ["-m".as_ref(), "venv".as_ref(), folder.as_os_str()]).await?;
    let install = ["-m", "pip", "install", "--quiet", "--requirement"].map(OsStr::new);
    run(&python, install.into_iter().chain([wanted.as_os_str()])).await?;
    std::fs::write(&installed, pins)?;
    Ok(python)
}

async fn run<'a>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = &'a OsStr>) -> anyhow::Result<()> {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| program.to_string_lossy().into_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "its packages cannot be installed: {}", said.trim());
    Ok(())
}
