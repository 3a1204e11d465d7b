//! Fifteen thousand agents that wait on one server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use graphium_http::client::AgentKey;
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::life;
use crate::part::{Part, Plan, Target};
use crate::process::Usage;
use crate::roles::{AgentsSay, Starts, due_payload};
use crate::sample::{Case, Figure, Finding, Unit};
use crate::schedule::open_loop;
use crate::server::{ANY_PORT, Server};
use crate::spread::Latencies;
use crate::summary::Summary;

/// Processes with agents, each with an address of its own: a process has no more than some 20,000 open files, and an address
/// some 28,000 ports towards one other.
const PROCESSES: usize = 3;
const RATE: u32 = 500;
/// Long enough for every agent to have waited once and asked again.
const SETTLE: Duration = Duration::from_secs(35);
const LOOK: Duration = Duration::from_millis(100);
/// By then everything has happened, or never will.
const PATIENCE: Duration = Duration::from_secs(180);
const PERCENTS: [f64; 3] = [50.0, 99.0, 99.9];

/// Many agents in long polls.
pub(crate) struct Fleet;

#[async_trait(?Send)]
impl Part for Fleet {
    fn name(&self) -> &'static str {
        "fleet"
    }

    fn title(&self) -> &'static str {
        "15,000 agents on one server"
    }

    fn about(&self) -> &'static str {
        "A server with a SQLite store in one process; agents with the client that real agents have in three others, each of them \
         on a loopback address of its own, every agent with a connection, a credential and a long poll of 30 s. *Connected* is \
         the time until every agent has got its credential (with a challenge that it signs) and a first answer. Then, while \
         nothing happens: the cores that the server uses, its memory less what it had before, for each agent, and what it \
         writes. Then tasks for agents at random, 500 a second in an open loop: *start* counts from when a submit was due until \
         the task has come to its agent. Then the server is killed and started anew: *back* is the time from its start until \
         the last agent has got an answer; an agent tries again after up to a second, and twice as long after each further \
         failure, at a moment of its own."
    }

    fn cases(&self, plan: &Plan) -> Vec<Case> {
        vec![Case::default().with("agents", plan.choose(300, 15_000))]
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let folder = tempfile::tempdir_in(&plan.scratch)?;
        let count: usize = case.get("agents").parse()?;
        let mut server = Server::start(folder.path(), ANY_PORT).await?;
        let key = server.enrol(count).await?;
        let empty = Usage::of(server.id()?)?;
        let began = Instant::now();
        let mut agents = Agents::start(&server.url, count, &key)?;
        agents.connected(count).await?;
        let connected = began.elapsed();

        let mut figures = vec![Figure::new("connected", Unit::Seconds, connected.as_secs_f64())];
        sleep(plan.choose(LOOK, SETTLE)).await;
        figures.extend(idle(&mut server, plan.choose(Duration::from_secs(1), Duration::from_secs(30))).await?);
        let full = Usage::of(server.id()?)?;
        figures.extend(memory(empty, full, count));

        figures.extend(starts(&server, &mut agents, count, plan.choose(200, 10_000)).await?);

        let before = agents.say().await?.errors;
        let listen = server.url.trim_start_matches("http://").to_owned();
        server.kill().await?;
        // Everybody has noticed before the server is there again, so that nobody is counted too early.
        agents.connected(0).await?;
        let began = Instant::now();
        let server = Server::start(folder.path(), &listen).await?;
        agents.connected(count).await?;
        figures.push(Figure::new("back", Unit::Seconds, began.elapsed().as_secs_f64()));
        let say = agents.say().await?;
        figures.push(Figure::count("calls failed meanwhile", say.errors - before));
        agents.end().await?;
        server.stop().await?;
        let note =
            (before > 0).then(|| format!("{before} calls failed before: {}", say.first_error.unwrap_or_default()));
        Ok(Finding { figures, note })
    }

    fn targets(&self, summary: &Summary) -> Vec<Target> {
        let target = |what: &str, figure: &str, most, unit| {
            let reached = summary.median(&[], figure)?;
            Some(Target::at_most(&format!("15,000 agents: {what}"), most, Figure::new(figure, unit, reached)))
        };
        let targets = [
            target("cores of the idle server", "cores while idle", 0.2, Unit::Cores),
            target("memory for each", "memory an agent", 20.0 * 1024.0, Unit::Bytes),
            target("submit to start, p99", "start p99", 20.0, Unit::Millis),
        ];
        targets.into_iter().flatten().collect()
    }
}

/// The processes with the agents.
struct Agents(Vec<Child>);

impl Agents {
    fn start(url: &str, count: usize, key: &AgentKey) -> anyhow::Result<Self> {
        let children = (0..PROCESSES).map(|index| {
            let first = count * index / PROCESSES;
            let own = count * (index + 1) / PROCESSES - first;
            let from = format!("127.0.0.{}", index + 2);
            Child::role("agents", [url, &from, &first.to_string(), &own.to_string(), &key.to_text()])
        });
        Ok(Self(children.collect::<Result<_, _>>()?))
    }

    /// How all of them are.
    async fn say(&mut self) -> anyhow::Result<AgentsSay> {
        let mut all = AgentsSay { connected: 0, errors: 0, first_error: None, started: 0 };
        for child in &mut self.0 {
            let one: AgentsSay = child.ask("status").await?;
            all.connected += one.connected;
            all.errors += one.errors;
            all.started += one.started;
            all.first_error = all.first_error.or(one.first_error);
        }
        Ok(all)
    }

    /// Waits until this holds of them.
    async fn until(&mut self, holds: impl Fn(&AgentsSay) -> bool + Send) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let say = self.say().await?;
            if holds(&say) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "the agents do not get there: {say:?}");
            sleep(LOOK).await;
        }
    }

    /// Waits until so many are connected.
    async fn connected(&mut self, count: usize) -> anyhow::Result<()> {
        self.until(|say| say.connected == count as u64).await
    }

    async fn end(self) -> anyhow::Result<()> {
        for child in self.0 {
            child.end().await?;
        }
        Ok(())
    }
}

/// What the server uses while nothing happens.
async fn idle(server: &mut Server, time: Duration) -> anyhow::Result<Vec<Figure>> {
    let (head, before, began) = (server.head().await?, Usage::of(server.id()?)?, Instant::now());
    sleep(time).await;
    let (after, elapsed) = (Usage::of(server.id()?)?, began.elapsed());
    let events = server.head().await? - head;
    let tenths = elapsed.as_secs_f64() / 10.0;
    #[expect(clippy::cast_precision_loss, reason = "bytes and events far below 2^52")]
    let (written, events) = ((after.written - before.written) as f64 / tenths, events as f64 / tenths);
    Ok(vec![
        Figure::new(
            "cores while idle",
            Unit::Cores,
            (after.cpu() - before.cpu()).as_secs_f64() / elapsed.as_secs_f64(),
        ),
        Figure::new("written in 10 s idle", Unit::Bytes, written),
        Figure::new("events in 10 s idle", Unit::Count, events),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory, far below 2^52")]
fn memory(empty: Usage, full: Usage, count: usize) -> [Figure; 2] {
    let each = full.resident.saturating_sub(empty.resident) as f64 / count as f64;
    [Figure::new("memory", Unit::Bytes, full.resident as f64), Figure::new("memory an agent", Unit::Bytes, each)]
}

/// Submits tasks for agents at random and hears how long they took to come.
async fn starts(server: &Server, agents: &mut Agents, count: usize, tasks: u32) -> anyhow::Result<Vec<Figure>> {
    let admin = Arc::new(server.admin.clone());
    let submitted = open_loop(RATE, tasks, move |_, due| {
        let (admin, payload) = (Arc::clone(&admin), due_payload(due));
        async move {
            let agent = life::agent(rand::random_range(0..count))?;
            life::submit_with(&admin, &agent, payload).await
        }
    });
    let submitted = submitted.await?.len() as u64;
    agents.until(|say| say.started == submitted).await?;
    let mut latencies = Latencies::new()?;
    for child in &mut agents.0 {
        let Starts(micros) = child.ask("starts").await?;
        for micros in micros {
            latencies.add(Duration::from_micros(micros))?;
        }
    }
    Ok(latencies.figures("start", &PERCENTS))
}
