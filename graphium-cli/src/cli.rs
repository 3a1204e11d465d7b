//! The argument tree.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::agent::AgentArgs;
use crate::completions::CompletionsArgs;
use crate::demo::{DemoArgs, DemoPageArgs};
use crate::events::EventsArgs;
use crate::exit::Exit;
use crate::host::HostArgs;
use crate::server::ServerArgs;
use crate::settings::Settings;
use crate::stack::StackArgs;
use crate::store::StoreArgs;
use crate::task::TaskArgs;
use crate::token::TokenArgs;
use crate::version::VersionArgs;

/// Deploys container stacks to many hosts through a durable task queue that the hosts pull from.
///
/// Settings come from flags, then GRAPHIUM_* variables, then one TOML file. Begin with `graphium demo`.
#[derive(Debug, Parser)]
#[command(name = "graphium", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The settings file
    #[arg(long, global = true, env = "GRAPHIUM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say more: logs of what happens, and what caused an error
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(DemoArgs),
    Server(ServerArgs),
    Agent(AgentArgs),
    /// Deploys stacks and looks after them
    Stack(StackArgs),
    /// Shows the queue and works on single tasks
    Task(TaskArgs),
    /// Shows the hosts
    Host(HostArgs),
    /// Makes and revokes tokens for agents that join and for people
    Token(TokenArgs),
    Store(StoreArgs),
    Events(EventsArgs),
    Completions(CompletionsArgs),
    Version(VersionArgs),
    #[command(hide = true)]
    DemoPage(DemoPageArgs),
}

impl Cli {
    /// What is logged when the environment says nothing: a server and an agent tell what they do, a command is quiet.
    pub(crate) fn log_level(&self) -> &'static str {
        match (&self.command, self.verbose) {
            (Command::Server(_) | Command::Agent(_), false) => {
                "warn,graphium_core=info,graphium_http=info,graphium=info"
            }
            (_, true) => "info,graphium_core=debug,graphium_http=debug,graphium=debug",
            (Command::Demo(_), false) => "off",
            (_, false) => "warn",
        }
    }

    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let settings = || Settings::read(self.config.as_deref());
        match self.command {
            Command::Demo(args) => block_on(args.run()),
            Command::Server(args) => block_on(args.run(settings()?)),
            Command::Agent(args) => block_on(args.run(settings()?)),
            Command::Stack(args) => block_on(args.run(settings()?)),
            Command::Task(args) => block_on(args.run(settings()?)),
            Command::Host(args) => block_on(args.run(settings()?)),
            Command::Token(args) => block_on(args.run(settings()?)),
            Command::Store(args) => block_on(args.run(settings()?)),
            Command::Events(args) => block_on(args.run(settings()?)),
            Command::Completions(args) => args.run(),
            Command::Version(args) => args.run(),
            Command::DemoPage(args) => args.run(),
        }
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
