//! The ground of a run: a server, agents, clients and readers as processes and connections, and a folder for their words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use graphium_core::id::AgentId;
use graphium_core::stack::StackStatus;
use graphium_core::store::{PageRequest, TaskFilter};
use graphium_core::task::{Priority, TaskStatus};
use graphium_http::client::Client;
use graphium_http::wire::SubmitTask;
use graphium_tests::Line;
use graphium_tests::history::{History, broken};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Submitter;
use crate::figures::Figures;
use crate::fleet::Fleet;
use crate::gather;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::reader::{self, Seen};
use crate::script;
use crate::server::{LEASE, Over, PATIENCE, Server};

/// Set, it keeps the folders of runs, with journals and logs.
const KEEP: &str = "GRAPHIUM_KEEP_HISTORIES";
/// How many clients submit.
const CLIENTS: usize = 3;
/// How long a client waits for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what is open may take to settle once nothing goes wrong any more.
const SETTLING: Duration = Duration::from_secs(180);
/// How many broken promises are told.
const TOLD: usize = 40;

/// Everything of a run. Dropping it ends all of it.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) server: Server,
    pub(crate) fleet: Fleet,
    /// Of the clients and of the readers.
    pub(crate) lines: Vec<Line>,
    clients: JoinSet<()>,
    readers: JoinSet<()>,
    seen: BTreeMap<String, Seen>,
    end: watch::Sender<u64>,
    seed: u64,
}

impl Ground {
    /// A server that answers, and agents that have joined.
    pub(crate) async fn open(
        seed: u64,
        agents: usize,
        wrong: bool,
        over: impl FnOnce(&std::path::Path) -> anyhow::Result<Over>,
    ) -> anyhow::Result<Self> {
        let keeps = std::env::var_os(KEEP).is_some();
        let folder = tempfile::Builder::new().prefix("graphium-history-").disable_cleanup(keeps).tempdir()?;
        std::fs::create_dir(folder.path().join("journals"))?;
        let mut server = Server::new(folder.path(), over(folder.path())?)?;
        server.start().await?;
        let ledger = Arc::new(Ledger::default());
        let fleet = Fleet::new(folder.path().to_owned(), Arc::clone(&ledger), seed);
        let lines = vec![Line::to(server.port).await?, Line::to(server.port).await?];
        let mut ground = Self {
            folder,
            ledger,
            server,
            fleet,
            lines,
            clients: JoinSet::new(),
            readers: JoinSet::new(),
            seen: BTreeMap::new(),
            end: watch::Sender::new(u64::MAX),
            seed,
        };
        let admin = ground.admin()?;
        for number in 1..=agents {
            ground.fleet.join(&admin, ground.server.port, &format!("vm{number}"), wrong).await?;
        }
        Ok(ground)
    }

    fn token(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.server.data().join("admin.token"))?.trim().to_owned())
    }

    /// The administrator, without a line in between.
    pub(crate) fn admin(&self) -> anyhow::Result<Client> {
        Ok(Client::builder(self.server.url()).token(self.token()?).build()?)
    }

    fn journals(&self) -> PathBuf {
        self.folder.path().join("journals")
    }

    /// Agents, clients and readers begin.
    pub(crate) fn begin(&mut self) -> anyhow::Result<()> {
        self.fleet.start_all()?;
        self.follow()?;
        self.submit()
    }

    fn follow(&mut self) -> anyhow::Result<()> {
        let token = self.token()?;
        let url = self.lines[1].url();
        let client = Client::builder(&url).token(&token).build()?;
        let (events, frames) = (Seen::default(), Seen::default());
        let ledger = || Arc::clone(&self.ledger);
        self.readers.spawn(reader::event_source(client, Arc::clone(&events), ledger(), self.end.subscribe()));
        self.readers.spawn(reader::web_socket(url, token, Arc::clone(&frames), ledger(), self.end.subscribe()));
        self.seen = [("server-sent events".to_owned(), events), ("socket".to_owned(), frames)].into();
        Ok(())
    }

    fn submit(&mut self) -> anyhow::Result<()> {
        for name in 0..CLIENTS {
            let line = Client::builder(self.lines[0].url()).token(self.token()?).call_timeout(CALL_TIMEOUT).build()?;
            let journal = Journal::open(&self.journals().join(format!("client-{name}")))?;
            let seed = self.seed.wrapping_add(1_000 + name as u64);
            let ledger = Arc::clone(&self.ledger);
            self.clients.spawn(Submitter::new(name, line, journal, ledger, self.fleet.ids(), seed).run());
        }
        Ok(())
    }

    /// Gives an agent something that takes its time, and waits until it is at it; not for long, since other faults may be
    /// in the way.
    pub(crate) async fn busy(&self, agent: &AgentId) -> anyhow::Result<()> {
        let mut task = SubmitTask::new(agent.clone(), script::work());
        task.id = Some(script::long_task());
        task.priority = Some(Priority::new(10)?);
        let (admin, deadline) = (self.admin()?, Instant::now() + LEASE);
        let id = admin.submit(&task).await?.id;
        while Instant::now() < deadline && admin.task(id).await?.status != TaskStatus::Running {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Nothing goes wrong any more and nothing new comes: waits until everything has settled.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<()> {
        self.lines.iter().for_each(Line::heal);
        self.fleet.heal().await?;
        self.clients.shutdown().await;
        let admin = self.admin()?;
        let deadline = Instant::now() + SETTLING;
        let mut calm = 0;
        while calm < 2 {
            // An agent that was taken over from by a late call of an earlier life is started anew, as a supervisor does.
            self.fleet.start_all()?;
            let open = open(&admin).await?;
            calm = if open.is_empty() { calm + 1 } else { 0 };
            if Instant::now() > deadline {
                self.ledger.complain(format!("not settled within {SETTLING:?}: {open:#?}"));
                break;
            }
            sleep(Duration::from_millis(250)).await;
        }
        self.fleet.stop_all().await
    }

    /// Agents and clients end, whatever is open.
    pub(crate) async fn halt(&mut self) -> anyhow::Result<()> {
        self.clients.shutdown().await;
        for id in self.fleet.ids() {
            self.fleet.kill(&id).await?;
        }
        Ok(())
    }

    /// Reads what came of the run, and fails with every promise that is broken.
    pub(crate) async fn judge(mut self) -> anyhow::Result<Figures> {
        let history = self.history().await?;
        let figures = Figures::of(&history, self.ledger.counted());
        let mut told: Vec<_> = self.ledger.complaints();
        told.extend(broken(&history).into_iter().map(|(promise, what)| format!("{promise}: {what}")));
        if !told.is_empty() {
            let (count, all) = (told.len(), told.join("\n"));
            let file = std::env::temp_dir().join(format!("graphium-history-{}.txt", self.seed));
            std::fs::write(&file, &all)?;
            told.truncate(TOLD);
            let (seed, figures) = (self.seed, figures.to_string());
            anyhow::bail!("seed {seed}, {count} broken, all in {}:\n{}\n{figures}", file.display(), told.join("\n"));
        }
        Ok(figures)
    }

    pub(crate) async fn history(&mut self) -> anyhow::Result<History> {
        let admin = self.admin()?;
        let mark = gather::mark(&admin).await?;
        self.end.send_replace(mark);
        let all = async { while self.readers.join_next().await.is_some() {} };
        if timeout(PATIENCE, all).await.is_err() {
            self.ledger.complain(format!("a reader has not come to event {mark} within {PATIENCE:?}"));
            self.readers.shutdown().await;
        }
        // What came after the mark is of no task.
        let upto = |seen: &Seen| -> Vec<_> {
            seen.lock()
                .expect("nobody panics while holding it")
                .iter()
                .copied()
                .filter(|(seq, _)| *seq <= mark)
                .collect()
        };
        let followed = self.seen.iter().map(|(name, seen)| (name.clone(), upto(seen))).collect();
        gather::history(&admin, &self.journals(), mark, followed).await
    }

    /// That everything is there which was acknowledged after so many.
    pub(crate) async fn all_there_since(&self, number: usize) -> anyhow::Result<()> {
        let admin = self.admin()?;
        for task in self.ledger.acknowledged_since(number) {
            let shown = admin.task(task).await;
            ensure!(shown.is_ok(), "task {task} was acknowledged and is gone: {shown:?}");
        }
        Ok(())
    }

    /// Until so many more submissions were acknowledged.
    pub(crate) async fn load(&self, more: usize) -> anyhow::Result<()> {
        let wanted = self.ledger.acknowledged() + more;
        let enough = async {
            while self.ledger.acknowledged() < wanted {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE + LEASE, enough).await.context("the clients do not get on")
    }
}

/// What has not settled.
async fn open(admin: &Client) -> anyhow::Result<Vec<String>> {
    let statuses = vec![TaskStatus::Pending, TaskStatus::Assigned, TaskStatus::Running];
    let filter = TaskFilter { statuses, ..TaskFilter::default() };
    let tasks = admin.tasks(filter, PageRequest::default()).await?.items;
    let tasks =
        tasks.iter().map(|task| format!("{} {} on {} is {}", task.task_type, task.id, task.agent_id, task.status));
    let stacks = admin.stacks(PageRequest::default()).await?.items;
    let moving = |status| {
        use StackStatus::{Deleting, Deploying, Pending, Reverting, Stopping};
        matches!(status, Deleting | Deploying | Pending | Reverting | Stopping)
    };
    let stacks = stacks.iter().filter(|stack| moving(stack.status));
    Ok(tasks.chain(stacks.map(|stack| format!("stack {} is {}", stack.name, stack.status))).collect())
}
