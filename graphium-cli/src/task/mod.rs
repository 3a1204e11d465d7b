//! `graphium task`.

mod list;
mod row;
mod show;
mod submit;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use graphium_core::id::TaskId;

use crate::connection::ConnectionArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;
use crate::settings::Settings;

pub(crate) use row::age_of;

/// The queue
#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, Subcommand)]
enum TaskCommand {
    List(list::ListArgs),
    /// Shows one task with every attempt
    Show {
        /// The task
        id: TaskId,
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    Submit(submit::SubmitArgs),
    /// Tries a failed or cancelled task again, and brings back those that waited for it
    Retry {
        /// The task
        id: TaskId,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Cancels a task: at once when nobody works on it, else by telling its agent
    Cancel {
        /// The task
        id: TaskId,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Shows the queue in numbers
    Stats {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

impl TaskArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        match self.command {
            TaskCommand::List(args) => args.run(settings).await?,
            TaskCommand::Show { id, connection, output } => {
                show::task(&connection.open(settings)?, id, output.output).await?;
            }
            TaskCommand::Submit(args) => return args.run(settings).await,
            TaskCommand::Retry { id, connection } => {
                let task = connection.open(settings)?.retry_task(id).await?;
                writeln!(io::stdout(), "task {id} is {} again", task.status)?;
            }
            TaskCommand::Cancel { id, connection } => {
                let task = connection.open(settings)?.cancel_task(id).await?;
                let state =
                    if task.status.is_settled() { "cancelled" } else { "told to stop; its agent confirms it soon" };
                writeln!(io::stdout(), "task {id} is {state}")?;
            }
            TaskCommand::Stats { connection, output } => {
                show::stats(&connection.open(settings)?, output.output).await?;
            }
        }
        Ok(Exit::Done)
    }
}
