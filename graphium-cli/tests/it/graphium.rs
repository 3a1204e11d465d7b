//! The binary under test, and a server of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

/// The longest that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, in an environment that holds nothing of this machine's settings.
pub(crate) fn graphium(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_graphium"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", "/nonexistent").env("GRAPHIUM_CONFIG", "/dev/null").stdin(Stdio::null());
    command
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same run, which must have ended with this code.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    graphium(arguments).output().unwrap().into()
}

/// A server process with a data folder of its own. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub(crate) fn start_in(folder: TempDir) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: TempDir, more: &[&str]) -> Self {
        let mut command = graphium(&["server", "--listen", "127.0.0.1:0", "--data-dir"]);
        let mut child =
            command.arg(folder.path()).args(more).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.ok()?.strip_prefix("server ")?.trim().to_owned()));
        Self { url: url.expect("a server says where it listens"), folder, child }
    }

    /// A command to this server, with its admin token.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = graphium(arguments);
        command.env("GRAPHIUM_SERVER", &self.url).env("GRAPHIUM_TOKEN_FILE", self.folder.path().join("admin.token"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Sends the server a signal and waits for its end.
    pub(crate) fn stop(mut self, signal: &str) -> (ExitStatus, TempDir) {
        send(&self.child, signal);
        let status = end_of(&mut self.child);
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process that this test has started.
pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

/// Waits for the end of a process.
pub(crate) fn end_of(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the process did not end within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a file and answers with its path as text.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
