//! A run under every fault, one after the other and many at once, as a seed says.

use std::time::Duration;

use anyhow::ensure;
use graphium_core::id::AgentId;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::clock::WrongClock;
use crate::figures::Figures;
use crate::ground::Ground;
use crate::server::{LEASE, Over};

const AGENTS: usize = 5;
/// How far the server's clock jumps at most. Its time stands still until the jump back is made up for.
const SERVER_JUMP: i64 = 6;
/// How often each fault happens at least.
const LEAST_DECKS: usize = 2;
/// How far an agent's clock jumps at most.
const AGENT_JUMP: i64 = 100_000;

/// What may go wrong. Each is drawn once before any is drawn again.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillServer,
    StopServer,
    PauseServer,
    JumpServer,
    KillAgent,
    StopAgent,
    PauseAgent,
    JumpAgent,
    DoubleAgent,
    Line(Disturbance),
}

/// What may go wrong with a line.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Cut,
    Stall,
    Deafen,
    Close,
}

impl Fault {
    const ALL: [Self; 13] = [
        Self::KillServer,
        Self::StopServer,
        Self::PauseServer,
        Self::JumpServer,
        Self::KillAgent,
        Self::StopAgent,
        Self::PauseAgent,
        Self::JumpAgent,
        Self::DoubleAgent,
        Self::Line(Disturbance::Cut),
        Self::Line(Disturbance::Stall),
        Self::Line(Disturbance::Deafen),
        Self::Line(Disturbance::Close),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::KillServer => "servers killed",
            Self::StopServer => "servers stopped",
            Self::PauseServer => "servers held",
            Self::JumpServer => "clocks of servers set",
            Self::KillAgent => "agents killed",
            Self::StopAgent => "agents stopped",
            Self::PauseAgent => "agents held longer than a lease",
            Self::JumpAgent => "clocks of agents set",
            Self::DoubleAgent => "agents doubled",
            Self::Line(Disturbance::Cut) => "lines cut",
            Self::Line(Disturbance::Stall) => "lines stalled",
            Self::Line(Disturbance::Deafen) => "lines closed to one side",
            Self::Line(Disturbance::Close) => "lines closed",
        }
    }
}

/// What else must happen in a run for it to prove anything.
const WANTED: [&str; 11] = [
    "submits acknowledged",
    "cancels acknowledged",
    "retries acknowledged",
    "deployments accepted",
    "looks answered",
    "tasks given",
    "reports accepted",
    "tasks handed back",
    "calls repeated at once",
    "calls repeated late",
    "answers lost",
];

/// Everything goes wrong for so long; then everything must settle and every promise hold.
pub(crate) async fn run(seed: u64, lasts: Duration) -> anyhow::Result<Figures> {
    let over = |folder: &std::path::Path| Ok(Over::WrongClock(WrongClock::new(&folder.join("server.clock"))?));
    let mut ground = Ground::open(seed, AGENTS, true, over).await?;
    ground.begin()?;
    let mut rng = StdRng::seed_from_u64(seed);
    let end = Instant::now() + lasts;
    let (mut deck, mut decks): (Vec<Fault>, usize) = (Vec::new(), 0);
    // However slow the machine is, each fault happens.
    while Instant::now() < end || decks < LEAST_DECKS || !deck.is_empty() {
        if deck.is_empty() {
            deck = Fault::ALL.to_vec();
            deck.shuffle(&mut rng);
            decks += 1;
        }
        sleep(Duration::from_millis(rng.random_range(20..800))).await;
        if let Some(fault) = deck.pop() {
            ground.ledger.count(fault.name());
            happen(&mut ground, &mut rng, fault).await?;
        }
    }
    if let Over::WrongClock(clock) = &ground.server.over {
        clock.set(0)?;
    }
    ground.settle().await?;
    let figures = ground.judge().await?;
    let never = figures.never(&[WANTED.as_slice(), &Fault::ALL.map(Fault::name)].concat());
    ensure!(never.is_empty(), "seed {seed}: the run proves nothing without {never:?}: {figures}");
    Ok(figures)
}

async fn happen(ground: &mut Ground, rng: &mut StdRng, fault: Fault) -> anyhow::Result<()> {
    let agents = ground.fleet.ids();
    let agent = agents.choose(rng).expect("there are agents").clone();
    match fault {
        Fault::KillServer => {
            ground.server.kill().await?;
            sleep(within(rng, LEASE)).await;
            ground.server.start().await
        }
        Fault::StopServer => {
            ground.server.stop().await?;
            ground.server.start().await
        }
        Fault::PauseServer => {
            ground.server.signal(Signal::STOP)?;
            sleep(within(rng, LEASE.mul_f64(1.5))).await;
            ground.server.signal(Signal::CONT)
        }
        Fault::JumpServer => match &ground.server.over {
            Over::WrongClock(clock) => clock.set(rng.random_range(-SERVER_JUMP..=SERVER_JUMP)),
            Over::Nothing | Over::Forget(_) => Ok(()),
        },
        Fault::KillAgent => {
            ground.fleet.kill(&agent).await?;
            sleep(within(rng, LEASE)).await;
            ground.fleet.start_all()
        }
        Fault::StopAgent => {
            // What it has not finished it hands back.
            ground.busy(&agent).await?;
            ground.fleet.stop(&agent).await?;
            ground.fleet.start_all()
        }
        Fault::PauseAgent => ground.fleet.pause(&agent, LEASE + within(rng, LEASE)).await,
        Fault::JumpAgent => ground.fleet.clock(&agent)?.set(rng.random_range(-AGENT_JUMP..=AGENT_JUMP)),
        Fault::DoubleAgent => ground.fleet.double(&agent),
        Fault::Line(disturbance) => disturb(ground, rng, &agent, disturbance),
    }
}

/// Something happens to the lines: that of an agent, of the clients or of the readers.
fn disturb(ground: &mut Ground, rng: &mut StdRng, agent: &AgentId, disturbance: Disturbance) -> anyhow::Result<()> {
    let lasts = within(rng, LEASE * 2);
    let drawn = rng.random_range(0..4);
    let line = match ground.lines.get(drawn) {
        Some(line) => line,
        None => ground.fleet.line(agent)?,
    };
    match disturbance {
        Disturbance::Cut => line.cut(),
        Disturbance::Stall => line.stall(lasts),
        Disturbance::Deafen => line.deafen(),
        Disturbance::Close => {
            line.close(lasts);
            line.cut();
        }
    }
    Ok(())
}

fn within(rng: &mut StdRng, longest: Duration) -> Duration {
    longest.mul_f64(rng.random())
}
