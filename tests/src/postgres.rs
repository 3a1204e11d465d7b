//! A PostgreSQL server of a test program's own, from the binaries of the system.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

/// Where Debian has the binaries, one folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Another folder of binaries, where there are some elsewhere.
const BINARIES: &str = "GRAPHIUM_POSTGRES_BIN";
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Owns the server's files when the test is run by root, whom the server refuses.
const UNPRIVILEGED: &str = "postgres";
const NOBODY: u32 = 65_534;

/// A server that ends with the value, and at the latest with the thread that started it.
#[derive(Debug)]
pub struct PostgresServer {
    server: Child,
    port: u16,
    binaries: PathBuf,
    databases: AtomicU64,
    folder: TempDir,
}

/// The user and the group that a server runs as, when this process is root.
#[derive(Debug, Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

impl PostgresServer {
    /// Starts one on a port of its own, whose files are below this folder.
    ///
    /// # Errors
    /// What is missing, or why it did not start.
    pub fn start_in(folder: &Path) -> Result<Self, String> {
        Self::start_on(TempDir::new_in(folder), &[])
    }

    /// Starts one with these settings, each `name=value`.
    ///
    /// # Errors
    /// As [`start_in`](Self::start_in).
    pub fn start_with(settings: &[&str]) -> Result<Self, String> {
        Self::start_on(TempDir::new(), settings)
    }

    fn start_on(folder: std::io::Result<TempDir>, settings: &[&str]) -> Result<Self, String> {
        let binaries = binaries()?;
        let folder = folder.map_err(told("a folder for the database"))?;
        let user = rustix::process::geteuid().is_root().then(unprivileged);
        if let Some(user) = user {
            chown(folder.path(), Some(user.id), Some(user.group)).map_err(told("the owner of the folder"))?;
        }
        let data = folder.path().join("data");
        let mut init = as_user(user, &binaries.join("initdb"));
        init.args(["--no-sync", "--auth=trust", "--username=graphium", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data);
        let made = init.output().map_err(told("initdb"))?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let listener = TcpListener::bind("127.0.0.1:0").map_err(told("a free port"))?;
        let port = listener.local_addr().map_err(told("a free port"))?.port();
        drop(listener);
        let log = std::fs::File::create(folder.path().join("log")).map_err(told("the log of the server"))?;
        let mut server = as_user(user, &binaries.join("postgres"));
        server.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        server.arg("-k").arg(folder.path()).args(["-c", "max_connections=300"]);
        for setting in settings {
            server.args(["-c", setting]);
        }
        let server = server.stdout(Stdio::null()).stderr(log).spawn().map_err(told("postgres"))?;
        let mut started = Self { server, port, binaries, databases: AtomicU64::new(0), folder };
        started.wait()?;
        Ok(started)
    }

    fn wait(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        let port = self.port.to_string();
        loop {
            let mut ready = Command::new(self.binaries.join("pg_isready"));
            let ready = ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().map_err(told("pg_isready"))?;
            if ready.success() {
                return Ok(());
            }
            let ended = self.server.try_wait().map_err(told("the server"))?;
            if ended.is_some() || Instant::now() > until {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL does not answer: {log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes an empty database, and answers with its address.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&self) -> Result<String, String> {
        let name = format!("graphium_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.ask("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        Ok(self.address(&name))
    }

    /// Where it listens, on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database of this server.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        format!("postgres://graphium@127.0.0.1:{}/{database}", self.port)
    }

    /// What the server answers to a question in this database, as text.
    ///
    /// # Errors
    /// What the server said.
    pub fn ask(&self, database: &str, question: &str) -> Result<String, String> {
        let mut asking = Command::new(self.binaries.join("psql"));
        asking.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", question]).arg(self.address(database));
        let answer = asking.output().map_err(told("psql"))?;
        if answer.status.success() {
            Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&answer.stderr).into_owned())
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.server.id())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            // At once: nobody needs the files any more. One that has ended already need not be told.
            rustix::process::kill_process(id, rustix::process::Signal::QUIT).unwrap_or_default();
        }
        drop(self.server.wait());
    }
}

/// Where the binaries are.
fn binaries() -> Result<PathBuf, String> {
    if let Some(folder) = std::env::var_os(BINARIES) {
        return Ok(folder.into());
    }
    let versions =
        std::fs::read_dir(VERSIONS).map_err(|_| format!("no PostgreSQL in {VERSIONS}: install postgresql"))?;
    let newest = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let newest = newest.filter(|bin| bin.join("initdb").exists()).max();
    newest.ok_or_else(|| format!("no PostgreSQL server in {VERSIONS}: install postgresql"))
}

/// A program that runs as this user and ends with the thread that starts it.
fn as_user(user: Option<User>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some(User { id, group }) = user {
        command.arg(format!("--reuid={id}")).arg(format!("--regid={group}")).arg("--clear-groups");
    }
    command.arg(program).current_dir("/");
    command
}

fn unprivileged() -> User {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (id, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == UNPRIVILEGED).then_some(User { id, group })
    });
    found.unwrap_or(User { id: NOBODY, group: NOBODY })
}

fn told(what: &str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}
