//! `graphium store`: the file that keeps everything, and what to do after a restore.

mod file;
mod held;
mod prune;

use clap::{Args, Subcommand};

use self::file::{BackupArgs, CheckArgs, RestoreArgs};
use self::held::ConfirmArgs;
use self::prune::PruneArgs;
use crate::connection::ConnectionArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;
use crate::settings::Settings;

pub(crate) use held::announce;

/// Backs up, restores and looks after what the server keeps
///
/// backup, restore, check and prune work on the file in the data folder of this machine; status and confirm ask the server.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Check(CheckArgs),
    /// Says whether the store is held after a restore, and how it differs from the hosts
    Status {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    Confirm(ConfirmArgs),
    Prune(PruneArgs),
}

impl StoreArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        match self.command {
            StoreCommand::Backup(args) => args.run(settings).await,
            StoreCommand::Restore(args) => args.run(settings).await,
            StoreCommand::Check(args) => args.run(settings).await,
            StoreCommand::Status { output, connection } => {
                held::status(&connection.open(settings)?, output.output).await
            }
            StoreCommand::Confirm(args) => args.run(settings).await,
            StoreCommand::Prune(args) => args.run(settings).await,
        }
    }
}
