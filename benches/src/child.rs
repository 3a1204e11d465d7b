//! Other processes: they are told what to do in lines, and answer in lines of JSON.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

/// A process of a bench. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// This program in a role of its own.
    pub(crate) fn role<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["role", name]).args(arguments);
        Self::spawn(command)
    }

    /// A program.
    pub(crate) fn start<S: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(command)
    }

    /// A Python program.
    pub(crate) fn python<S: AsRef<OsStr>>(
        python: &Path,
        script: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(python);
        command.arg(script).args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let program = format!("{:?}", command.as_std());
        let mut process = command.spawn().with_context(|| program)?;
        let input = process.stdin.take().context("its input is a pipe")?;
        let output = process.stdout.take().context("its output is a pipe")?;
        Ok(Self { process, input, lines: BufReader::new(output).lines() })
    }

    /// Its id.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the process has ended")
    }

    /// Tells it something.
    pub(crate) async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// The next thing that it says.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        match self.lines.next_line().await? {
            Some(line) => serde_json::from_str(&line).with_context(|| format!("a process said {line:?}")),
            None => bail!("a process ended without a word: {}", self.process.wait().await?),
        }
    }

    /// Tells it something and hears what it says to it.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, line: &str) -> anyhow::Result<T> {
        self.tell(line).await?;
        self.hear().await
    }

    /// Kills it as a crash does, and waits until it is gone. Answers with what it had said and nobody heard.
    pub(crate) async fn kill(mut self) -> anyhow::Result<Vec<String>> {
        self.process.start_kill()?;
        self.process.wait().await?;
        let mut said = Vec::new();
        while let Some(line) = self.lines.next_line().await? {
            said.push(line);
        }
        Ok(said)
    }

    /// Ends its input, on which it ends by itself.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let status = self.process.wait().await?;
        anyhow::ensure!(status.success(), "a process ended with {status}");
        Ok(())
    }
}
