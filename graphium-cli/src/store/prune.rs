//! `graphium store prune`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use graphium_core::clock::{Clock, SystemClock};
use graphium_core::store::{Pruned, Retention, SqliteStore, StoreErrorKind, StoreSettings, TaskStore};

use super::file::{DataArgs, refused};
use crate::exit::Exit;
use crate::output::{Format, OutputArgs, print_json};
use crate::retention::{RetentionArgs, retention};
use crate::settings::Settings;

/// Removes history that is older than it is to be kept, and makes the file smaller
///
/// A running server does that by itself; this is for one that is stopped. What is still needed stays, however old: open tasks,
/// what they depend on, the newest generation of every stack. --dry-run counts, also beside a running server.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Count what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    retention: RetentionArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl PruneArgs {
    pub(super) async fn run(self, mut settings: Settings) -> anyhow::Result<Exit> {
        self.retention.over(&mut settings.server);
        let (kept, database) = (retention(&settings.server), self.data.database(&mut settings)?);
        // Without a file there is nothing to prune, and none must be made.
        let counted = SqliteStore::prunable(&database, kept, SystemClock.now()).await;
        let counted = counted.map_err(|error| refused(error, &database))?;
        let pruned = if self.dry_run { counted } else { prune(&database, kept).await? };
        match self.output.output {
            Format::Json => print_json(&pruned)?,
            Format::Table => writeln!(io::stdout(), "{}", told(&pruned, self.dry_run))?,
        }
        Ok(Exit::Done)
    }
}

async fn prune(database: &Path, retention: Retention) -> anyhow::Result<Pruned> {
    let settings = StoreSettings { retention, ..StoreSettings::default() };
    let store = SqliteStore::open(database, Arc::new(SystemClock), settings).await.map_err(|error| {
        let in_use = error.kind() == StoreErrorKind::Conflict;
        let failure = refused(error, database);
        if in_use {
            failure
                .advice("a running server prunes by itself, as its --keep-… settings say; --dry-run counts beside it")
        } else {
            failure
        }
    })?;
    let mut all = Pruned::default();
    let pruned = loop {
        match store.prune().await {
            Ok(next) => {
                all.tasks += next.tasks;
                all.attempts += next.attempts;
                all.events += next.events;
                if !next.more {
                    break Ok(all);
                }
            }
            Err(error) => break Err(error),
        }
    };
    store.close().await;
    Ok(pruned.map_err(|error| refused(error, database))?)
}

fn told(pruned: &Pruned, dry_run: bool) -> String {
    let Pruned { tasks, attempts, events, .. } = pruned;
    let verb = if dry_run { "would prune" } else { "pruned" };
    format!("{verb} {tasks} tasks, the attempts of {attempts} more, and {events} events")
}
