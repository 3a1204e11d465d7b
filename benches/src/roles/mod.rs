//! What this program does as another process of a bench.

mod agents;
mod hold;
mod serve;

use std::io::Write;

use clap::Subcommand;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

pub(crate) use agents::{AgentsSay, Starts, due_payload};
pub(crate) use hold::Acknowledged;
pub(crate) use serve::{ServerSays, Serves};

/// The processes of the benches.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Holds a store under load until it is killed.
    Hold(hold::Hold),
    /// Serves a store.
    Serve(serve::Serve),
    /// Many agents of a server.
    Agents(agents::Agents),
}

/// Plays a role until its input ends.
pub(crate) async fn play(role: Role) -> anyhow::Result<()> {
    match role {
        Role::Hold(hold) => hold.play().await,
        Role::Serve(serve) => serve.play().await,
        Role::Agents(agents) => agents.play().await,
    }
}

/// Says something to the process that started this one.
fn say(what: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(what)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What the process that started this one says.
fn orders() -> Lines<BufReader<Stdin>> {
    BufReader::new(tokio::io::stdin()).lines()
}
