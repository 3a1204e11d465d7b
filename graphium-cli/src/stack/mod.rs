//! `graphium stack`.

mod act;
mod board;
mod definition;
mod deploy;
mod follow;
mod plan;
mod status;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use graphium_core::id::StackName;
use graphium_core::stack::DeploymentAction;

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::output::OutputArgs;
use crate::settings::Settings;

/// Stacks
#[derive(Debug, Args)]
pub(crate) struct StackArgs {
    #[command(subcommand)]
    command: StackCommand,
}

#[derive(Debug, Subcommand)]
enum StackCommand {
    Deploy(Box<deploy::DeployArgs>),
    /// Lists the stacks
    List {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    Status(StatusArgs),
    /// Stops every container of a stack and keeps it
    Stop(act::ActArgs),
    /// Starts every container of a stack
    Start(act::ActArgs),
    /// Restarts every container of a stack
    Restart(act::ActArgs),
    Remove(act::RemoveArgs),
    Validate(ValidateArgs),
}

/// Shows a stack: what is wanted, how far the rollout is, what its hosts report
#[derive(Debug, Args)]
struct StatusArgs {
    /// The stack
    name: StackName,
    /// Follow its latest deployment to the end first
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Checks a stack file without a server, and lists everything that is wrong with it
#[derive(Debug, Args)]
struct ValidateArgs {
    #[command(flatten)]
    source: SourceArgs,
}

/// A stack file and what its variables stand for.
#[derive(Debug, Args)]
struct SourceArgs {
    /// The stack file; - is the standard input
    file: PathBuf,
    /// A file of NAME=value lines for ${NAME}; the environment goes first, then the last file that has it
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

/// Whether to wait, and how long.
#[derive(Debug, Clone, Copy, Args)]
struct WaitArgs {
    /// Return as soon as it is accepted
    #[arg(long, short)]
    detach: bool,
    /// Wait at most so long; what is under way goes on
    #[arg(long, value_parser = duration::parse, value_name = "TIME", conflicts_with = "detach")]
    timeout: Option<Duration>,
}

impl StackArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        match self.command {
            StackCommand::Deploy(args) => args.run(settings).await,
            StackCommand::List { connection, output } => {
                status::list(&connection.open(settings)?, output.output).await?;
                Ok(Exit::Done)
            }
            StackCommand::Status(args) => args.run(settings).await,
            StackCommand::Stop(args) => args.run(settings, DeploymentAction::Stop).await,
            StackCommand::Start(args) => args.run(settings, DeploymentAction::Start).await,
            StackCommand::Restart(args) => args.run(settings, DeploymentAction::Restart).await,
            StackCommand::Remove(args) => args.run(settings).await,
            StackCommand::Validate(args) => args.run(),
        }
    }
}

impl StatusArgs {
    async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let api = self.connection.open(settings)?;
        let view = api.stack(&self.name).await?;
        if self.follow && !view.rollout.status.is_settled() {
            let wait = WaitArgs { detach: false, timeout: None };
            return act::follow(&api, &view.rollout, wait, self.output.output, &mut Interrupts::listen()?).await;
        }
        status::show(&view, self.output.output)?;
        Ok(Exit::Done)
    }
}

impl ValidateArgs {
    fn run(&self) -> anyhow::Result<Exit> {
        let definition = definition::read(&self.source)?;
        let parsed = definition.parse()?;
        for warning in &parsed.warnings {
            writeln!(io::stderr(), "warning: {warning}")?;
        }
        let count = parsed.spec.containers.len();
        let containers = if count == 1 { "container" } else { "containers" };
        writeln!(io::stdout(), "stack {} is valid: {count} {containers}", parsed.spec.name)?;
        Ok(Exit::Done)
    }
}
