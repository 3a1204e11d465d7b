//! `graphium demo`: the whole story in one process, on the engine that is there.
//!
//! Everything is real but the distance: the server keeps SQLite, the agents talk HTTP to it, the containers run on
//! the engine. Where no engine answers, one in memory takes its place, and every line that matters says so.

mod cluster;
mod elf;
mod engine;
mod evidence;
mod image;
mod narrator;
mod page;
mod removal;
mod site;
mod stage;
mod story;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use crate::duration::took;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use engine::Engine;
use narrator::Narrator;
use stage::Stage;

pub(crate) use page::DemoPageArgs;

/// Shows a deployment to three hosts on this machine's engine, one of which dies in the middle
///
/// Nothing has to be prepared and everything is removed at the end. Without a container engine the same story
/// runs on an engine in memory.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after the story instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
    /// Use the engine in memory even where a real one answers
    #[arg(long, conflicts_with = "docker_socket")]
    memory: bool,
    /// The engine's socket
    #[arg(long, env = "GRAPHIUM_DOCKER_SOCKET", value_name = "PATH")]
    docker_socket: Option<PathBuf>,
}

impl DemoArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let began = Instant::now();
        let mut interrupts = Interrupts::listen()?.and_hangup()?;
        let mut tell = Narrator::new();
        tell.title("Graphium demo: one server, three hosts, one stack with a container on each.")?;
        let engine = Engine::find(self.memory, self.docker_socket, &mut tell).await?;
        let mut stage = Stage::new(engine)?;
        let told = interrupts.or(story::tell(&mut stage, &mut tell)).await;
        if let Some(Ok(())) = told
            && !self.once
        {
            story::invite(&stage, &mut tell)?;
            interrupts.next().await;
        }
        let removed = removal::remove(stage, &mut interrupts, &mut tell).await;
        end(told, removed, began.elapsed(), &tell)
    }
}

/// The last line, and the exit code: not 0 when anything was not as it must be.
fn end(
    told: Option<anyhow::Result<()>>,
    removed: anyhow::Result<()>,
    time: Duration,
    tell: &Narrator,
) -> anyhow::Result<Exit> {
    match (told, removed) {
        (Some(Ok(())), Ok(())) => {
            tell.end(true, format_args!("All of it as it must be, in {}.", took(time)))?;
            Ok(Exit::Done)
        }
        (None, Ok(())) => {
            tell.end(false, "Interrupted before the end; everything is removed.")?;
            Ok(Exit::Interrupted)
        }
        (Some(Err(error)), removed) => {
            if let Err(removal) = removed
                && tell.end(false, format_args!("The removal failed too: {removal:#}")).is_err()
            {
                // Nobody reads the story: what is left behind is then the error to tell.
                return Err(removal);
            }
            Err(error)
        }
        (Some(Ok(())) | None, Err(removal)) => Err(removal),
    }
}
