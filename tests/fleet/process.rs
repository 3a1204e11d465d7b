//! The `graphium` binary as processes: started, killed and asked, as an operator would.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use graphium_tests::{free_port, graphium_binary};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

/// Set, it keeps the folders of the fleets, with the logs of their processes.
const KEEP: &str = "GRAPHIUM_KEEP_FLEETS";

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `look` answers with something; fails with what was waited for.
pub(crate) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut last = None;
    while tokio::time::Instant::now() < deadline {
        match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    match last {
        Some(error) => Err(error.context(format!("in {PATIENCE:?} not seen: {what}"))),
        None => anyhow::bail!("in {PATIENCE:?} not seen: {what}"),
    }
}

/// A server with its data folder, and agents by id. Everything ends with it.
#[derive(Debug)]
pub(crate) struct Fleet {
    folder: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
    agents: std::collections::BTreeMap<String, Child>,
}

impl Fleet {
    /// A server and an agent for each of these ids.
    pub(crate) async fn start(agents: &[&str]) -> anyhow::Result<Self> {
        let keeps = std::env::var_os(KEEP).is_some();
        let folder = tempfile::Builder::new().prefix("graphium-fleet-").disable_cleanup(keeps).tempdir()?;
        let mut fleet = Self { folder, port: free_port()?, server: None, agents: Default::default() };
        fleet.start_server().await?;
        for id in agents {
            fleet.start_agent(id).await?;
        }
        fleet.all_ready(agents).await?;
        Ok(fleet)
    }

    fn graphium(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(graphium_binary()?);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env("GRAPHIUM_SERVER", self.url()).env("GRAPHIUM_DATA_DIR", self.data());
        command.env("NO_COLOR", "1");
        Ok(command)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self, name: &str) -> anyhow::Result<std::fs::File> {
        let path = self.folder.path().join(format!("{name}.log"));
        Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
    }

    /// Starts the server, anew after a kill, and waits until it answers.
    pub(crate) async fn start_server(&mut self) -> anyhow::Result<()> {
        let listen = format!("127.0.0.1:{}", self.port);
        let data = self.data();
        let data = data.to_str().context("a temporary folder is UTF-8")?;
        let log = self.log("server")?;
        let server = self
            .graphium(&["server", "--data-dir", data, "--listen", &listen, "--lease", "3s", "--down-after", "2s"])?
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.server = Some(server);
        let ready = format!("{}/api/v1/readyz", self.url());
        eventually("the server answers", || async {
            let answer = reqwest::get(&ready).await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await
    }

    /// Stops the server as an operator does, and waits for its end.
    pub(crate) async fn stop_server(&mut self) -> anyhow::Result<()> {
        let mut server = self.server.take().context("a server runs")?;
        let id = server.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).context("it has not ended")?;
        kill_process(id, Signal::TERM)?;
        let ended = tokio::time::timeout(PATIENCE, server.wait()).await.context("the server does not stop")??;
        ensure!(ended.success(), "the server ended with {ended}");
        Ok(())
    }

    /// Kills the server with SIGKILL.
    pub(crate) async fn kill_server(&mut self) -> anyhow::Result<()> {
        let mut server = self.server.take().context("a server runs")?;
        Ok(server.kill().await?)
    }

    /// Starts an agent; the first time it joins with a token of its own.
    pub(crate) async fn start_agent(&mut self, id: &str) -> anyhow::Result<()> {
        let state = self.folder.path().join("agents").join(id);
        let state_dir = state.to_str().context("a temporary folder is UTF-8")?;
        let url = self.url();
        let mut arguments = vec!["agent", "--id", id, "--server", &url, "--state-dir", state_dir];
        let token;
        if !state.exists() {
            token = self.join_token(id).await?;
            arguments.extend(["--join-token", &token]);
        }
        let log = self.log(&format!("agent-{id}"))?;
        let agent = self.graphium(&arguments)?.stdout(log.try_clone()?).stderr(log).spawn()?;
        self.agents.insert(id.to_owned(), agent);
        Ok(())
    }

    /// A token with which this agent may join.
    pub(crate) async fn join_token(&self, id: &str) -> anyhow::Result<String> {
        let answer = self.cli(&["token", "create", "--agent", id, "--output", "json"]).await?.succeeded()?.json()?;
        Ok(answer["token"].as_str().context("the answer has a token")?.to_owned())
    }

    /// Kills an agent with SIGKILL.
    pub(crate) async fn kill_agent(&mut self, id: &str) -> anyhow::Result<()> {
        let mut agent = self.agents.remove(id).with_context(|| format!("agent {id} runs"))?;
        Ok(agent.kill().await?)
    }

    async fn all_ready(&self, agents: &[&str]) -> anyhow::Result<()> {
        eventually("every host is ready", || async {
            let hosts = self.cli(&["host", "list", "--output", "json"]).await?.succeeded()?.json()?;
            let ready = items(&hosts).filter(|host| host["state"] == "ready" && host["observedAt"].is_string());
            Ok((ready.count() == agents.len()).then_some(()))
        })
        .await
    }

    /// Runs a command to its end.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> anyhow::Result<Ended> {
        let output = tokio::time::timeout(PATIENCE * 2, self.graphium(arguments)?.output())
            .await
            .with_context(|| format!("graphium {} does not end", arguments.join(" ")))??;
        Ok(Ended {
            command: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Writes a definition into the fleet's folder and answers with its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.path(name)?;
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The path of a file in the fleet's folder.
    pub(crate) fn path(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.folder.path().join(name).to_str().context("a temporary folder is UTF-8")?.to_owned())
    }

    /// The administrator's token.
    pub(crate) fn admin_token(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.data().join("admin.token"))?.trim().to_owned())
    }

    /// Asks the API.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = reqwest::Client::new().get(format!("{}/api/v1{path}", self.url()));
        let answer = request.bearer_auth(self.admin_token()?).send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        ensure!(status.is_success(), "GET {path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// The open tasks.
    pub(crate) async fn open_tasks(&self) -> anyhow::Result<Vec<Value>> {
        let mut open = Vec::new();
        for status in ["pending", "assigned", "running"] {
            open.extend(items(&self.get(&format!("/tasks?status={status}&limit=1000")).await?).cloned());
        }
        Ok(open)
    }
}

/// The entries of a list, whether it is a page or bare.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().or_else(|| list["items"].as_array()).into_iter().flatten()
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The same, if it ended with 0.
    pub(crate) fn succeeded(self) -> anyhow::Result<Self> {
        self.with_code(0)
    }

    /// The same, if it ended with this code.
    pub(crate) fn with_code(self, code: i32) -> anyhow::Result<Self> {
        let Self { command, code: got, stdout, stderr } = &self;
        ensure!(*got == Some(code), "graphium {command} ended with {got:?}, not {code}\n{stdout}\n{stderr}");
        Ok(self)
    }

    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("graphium {}: {}", self.command, self.stdout))
    }
}
