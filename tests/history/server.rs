//! The server of a run: the real binary on a file, killed and started again on the same address.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use graphium_tests::{free_port, graphium_binary};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::clock::WrongClock;
use crate::forget::Forget;

/// How long a server may take to answer, and any process to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The lease of every session: short, so that much happens.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// What is laid over the system calls of the server.
#[derive(Debug)]
pub(crate) enum Over {
    Nothing,
    WrongClock(WrongClock),
    Forget(Box<Forget>),
}

/// A server with its data folder.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) over: Over,
    folder: PathBuf,
    child: Option<Child>,
}

/// The process behind a child that runs.
pub(crate) fn process(child: &Child) -> anyhow::Result<Pid> {
    let number = child.id().context("the process has ended")?;
    Pid::from_raw(i32::try_from(number)?).context("a process has a number")
}

impl Server {
    /// A server that is not started yet, with its data in this folder.
    pub(crate) fn new(folder: &Path, over: Over) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder.join("data"))?;
        Ok(Self { port: free_port()?, over, folder: folder.to_owned(), child: None })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("server.log"))?;
        let mut command = Command::new(graphium_binary()?);
        command.arg("server").arg("--data-dir").arg(self.data());
        command.arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.arg("--lease").arg(format!("{}ms", LEASE.as_millis())).args(["--down-after", "1s"]);
        command.current_dir(&self.folder).env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
        match &self.over {
            Over::Nothing => {}
            Over::WrongClock(clock) => clock.lay_over(&mut command),
            Over::Forget(forget) => forget.lay_over(&mut command),
        }
        self.child = Some(command.stdout(log.try_clone()?).stderr(log).spawn()?);
        let ready = format!("{}/api/v1/readyz", self.url());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client.get(&ready).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.child.as_mut().context("it was started")?.try_wait()?;
            if let Some(status) = ended {
                let log = std::fs::read_to_string(self.folder.join("server.log"))?;
                let last: Vec<_> = log.lines().rev().take(5).collect();
                anyhow::bail!("the server ended with {status} instead of answering: {last:#?}");
            }
            anyhow::ensure!(Instant::now() < deadline, "the server does not answer within {PATIENCE:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("a server runs")?;
        Ok(kill_process(process(child)?, signal)?)
    }

    /// Kills it; what it had not synced is forgotten where that is laid over it.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("a server runs")?;
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the server ended by itself with {status}");
        }
        child.kill().await?;
        if let Over::Forget(forget) = &mut self.over {
            forget.crash(&self.folder.join("data"))?;
        }
        Ok(())
    }

    /// Stops it as an operator would.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().context("a server runs")?;
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.context("the server does not stop")??;
        anyhow::ensure!(status.success(), "the server stopped with {status}");
        Ok(())
    }
}
