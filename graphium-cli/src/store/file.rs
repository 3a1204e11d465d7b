//! `graphium store backup`, `restore` and `check`: on the file, without a server.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use graphium_core::store::{SqliteStore, StoreError, StoreErrorKind, StoreFinding};
use graphium_http::server::WRAPPING_KEY_FILE;
use serde::Serialize;

use crate::data_dir::data_dir;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::output::{Format, OutputArgs, Row, print_list};
use crate::server::{DATABASE, make_folder};
use crate::settings::Settings;

/// Where the store is that is meant.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// The data folder of the server [default: /var/lib/graphium for root, else ~/.local/state/graphium]
    #[arg(long, alias = "data", env = "GRAPHIUM_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl DataArgs {
    fn folder(self, settings: &mut Settings) -> anyhow::Result<PathBuf> {
        data_dir(self.data_dir.or(settings.data_dir.take()))
    }

    /// The file of the store.
    pub(super) fn database(self, settings: &mut Settings) -> anyhow::Result<PathBuf> {
        Ok(self.folder(settings)?.join(DATABASE))
    }
}

/// Copies the store into a new file, while the server goes on
///
/// The copy is looked through before it gets its name; it replaces no file. Keep `wrapping.key` of the data folder as well,
/// apart from the backups: a store opens only with it.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The new file
    to: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

/// Puts a backup in the place of the store of a stopped server
///
/// What was there is kept in a folder beside it. The server that is started next holds the store: agents report what runs,
/// and no work is given or taken until `graphium store confirm --yes`. What was revoked after the backup is
/// good again: revoke it before you confirm. Cut short, it is finished by the next start or a repeat.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// A file that `graphium store backup` made
    from: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

/// Looks through the store, or a backup, for what does not belong together
///
/// A server that works on it goes on. Ends with 1 when something is found.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A backup, in the place of the server's store
    file: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl BackupArgs {
    pub(super) async fn run(self, mut settings: Settings) -> anyhow::Result<Exit> {
        let (database, to) = (self.data.database(&mut settings)?, self.to);
        let mut interrupts = Interrupts::listen()?;
        let Some(made) = interrupts.or(SqliteStore::backup_file(&database, &to)).await else {
            let text = format!("interrupted: {} is there only if the backup was whole by then", to.display());
            return Err(Failure::new(Exit::Interrupted, text).into());
        };
        let head = made.map_err(|error| refused(error, &database))?;
        writeln!(io::stdout(), "{} is a backup of {} up to event {head}", to.display(), database.display())?;
        Ok(Exit::Done)
    }
}

impl RestoreArgs {
    pub(super) async fn run(self, mut settings: Settings) -> anyhow::Result<Exit> {
        let folder = self.data.folder(&mut settings)?;
        let database = folder.join(DATABASE);
        if !is_there(&self.from)? {
            return Err(Failure::new(Exit::Failed, format!("there is no file {}", self.from.display())).into());
        }
        let mut made = Vec::new();
        for part in folder.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            if is_there(part)? {
                break;
            }
            made.push(part);
        }
        make_folder(&folder)?;
        let mut interrupts = Interrupts::listen()?;
        let Some(restored) = interrupts.or(SqliteStore::restore(&self.from, &database)).await else {
            return Err(Failure::new(Exit::Interrupted, "interrupted: the backup is in place, or nothing has changed")
                .advice("say it again to be sure")
                .into());
        };
        let kept = restored.map_err(|error| {
            take_back(&made, &database);
            refused(error, &self.from)
        })?;
        tell_restored(&self.from, &database, kept.as_deref())?;
        if !is_there(&folder.join(WRAPPING_KEY_FILE))? {
            let text = "note: {folder} has no {key}: copy the one of the server that made the backup there first";
            let text = text.replace("{folder}", &folder.display().to_string()).replace("{key}", WRAPPING_KEY_FILE);
            writeln!(io::stderr(), "{text}")?;
        }
        Ok(Exit::Done)
    }
}

/// Whether something is there. A folder on the way that cannot be looked into is an error of its own.
fn is_there(path: &Path) -> Result<bool, Failure> {
    path.try_exists().map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot look whether {} is there: {error}", path.display()))
            .advice("run it as the user who may read that folder")
            .caused_by(error)
    })
}

/// Removes the folders that were made for a restore which was refused, the inner ones first, as far as nothing else is in them.
fn take_back(made: &[&Path], database: &Path) {
    if made.is_empty() {
        return;
    }
    let removed = std::fs::remove_file(database.with_extension("db.lock"))
        .and_then(|()| made.iter().try_for_each(std::fs::remove_dir));
    if let Err(error) = removed {
        tracing::debug!(%error, "a folder that was made for a restore stays");
    }
}

fn tell_restored(from: &Path, database: &Path, kept: Option<&Path>) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{} is in place as {}", from.display(), database.display())?;
    if let Some(kept) = kept {
        writeln!(out, "what was there is kept in {}", kept.display())?;
    }
    writeln!(out, "Start the server. It holds the store until you have looked and confirmed:")?;
    writeln!(out, "  graphium store status")?;
    writeln!(out, "  graphium store confirm --yes")?;
    writeln!(out, "What was revoked after the backup is good again: revoke it once more before you confirm.")
}

/// Something that is wrong in a file.
#[derive(Debug, Serialize)]
struct Finding {
    problem: String,
    advice: &'static str,
}

impl From<StoreFinding> for Finding {
    fn from(finding: StoreFinding) -> Self {
        Self { problem: finding.problem, advice: finding.advice }
    }
}

impl Row for Finding {
    const PLURAL: &'static str = "problems";
    const HEADER: &'static [&'static str] = &["PROBLEM", "WHAT TO DO"];

    fn cells(&self) -> Vec<String> {
        vec![self.problem.clone(), self.advice.to_owned()]
    }
}

impl CheckArgs {
    pub(super) async fn run(self, mut settings: Settings) -> anyhow::Result<Exit> {
        let file = match self.file {
            Some(file) => file,
            None => self.data.database(&mut settings)?,
        };
        let found = SqliteStore::check(&file).await.map_err(|error| refused(error, &file))?;
        let found: Vec<_> = found.into_iter().map(Finding::from).collect();
        if found.is_empty() && self.output.output == Format::Table {
            writeln!(io::stdout(), "{} is sound", file.display())?;
        } else {
            print_list(self.output.output, &found)?;
        }
        Ok(if found.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

/// What a refusal of the store's file means to the one who typed the command.
pub(super) fn refused(error: StoreError, file: &Path) -> Failure {
    let exit = if error.kind() == StoreErrorKind::Conflict { Exit::Conflict } else { Exit::Failed };
    let mut failure = Failure::new(exit, error.to_string());
    if error.kind() == StoreErrorKind::NotFound && file.ends_with(DATABASE) {
        failure = failure.advice("name the data folder of the server with --data-dir");
    }
    failure.caused_by(error)
}
