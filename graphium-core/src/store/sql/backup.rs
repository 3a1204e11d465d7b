//! Backups: a copy of the database, page by page beside what goes on, that is looked through before it counts.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::check;
use super::connection::{self, beside};
use super::error::SqlError;
use crate::id::Seq;

/// How many pages are copied between two commits.
const PAGES_AT_A_TIME: i32 = 256;
/// How long a step waits for a lock of another program.
const PAUSE: Duration = Duration::from_millis(5);

/// Copies the database of this connection into a new file, calling `between` after each some pages; that may write through
/// the same connection, and what it writes is in the copy. Answers with the newest event in the copy.
pub(super) fn copy(
    from: &Connection,
    to: &Path,
    mut between: impl FnMut() -> Result<(), SqlError>,
) -> Result<Seq, SqlError> {
    let open = |source| SqlError::Open { path: to.to_owned(), source };
    let mut copy = Connection::open(to).map_err(open)?;
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").map_err(open)?;
    let backup = Backup::new(from, &mut copy)?;
    loop {
        match backup.step(PAGES_AT_A_TIME)? {
            StepResult::Done => break,
            StepResult::More => {}
            StepResult::Busy | StepResult::Locked | _ => std::thread::sleep(PAUSE),
        }
        between()?;
    }
    drop(backup);
    check::head(&copy)
}

/// The file that a backup is while it is being made.
pub(super) fn unfinished(to: &Path) -> Result<PathBuf, SqlError> {
    if to.try_exists().map_err(fault(to))? {
        return Err(SqlError::Exists { path: to.to_owned() });
    }
    let unfinished = beside(to, ".unfinished");
    remove(&unfinished)?;
    Ok(unfinished)
}

/// Makes a backup of a finished copy, or removes what there is of it. Answers with the newest event in it.
pub(super) fn finish(copied: Result<Seq, SqlError>, unfinished: &Path, to: &Path) -> Result<Seq, SqlError> {
    let sealed = copied.and_then(|head| seal(unfinished, to, head).map(|()| head));
    if sealed.is_err() {
        remove(unfinished)?;
    }
    sealed
}

/// Marks a copy as a backup, looks through all of it, and gives it its name.
fn seal(unfinished: &Path, to: &Path, head: Seq) -> Result<(), SqlError> {
    let copy = alone(unfinished)?;
    let mark = "UPDATE store SET copied_at = coalesce((SELECT at FROM event ORDER BY seq DESC LIMIT 1), 0)";
    copy.execute(mark, [])?;
    check_sound(&copy)?;
    if check::head(&copy)? != head {
        return Err(SqlError::Unsound { what: "the newest event is missing".into() });
    }
    drop(copy);
    sync(unfinished).map_err(fault(unfinished))?;
    // A link, unlike a rename, replaces nothing.
    match std::fs::hard_link(unfinished, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(SqlError::Exists { path: to.to_owned() }),
        linked => linked.map_err(fault(to))?,
    }
    remove(unfinished)?;
    sync_folder(to)
}

/// A copy as one file, without a log beside it.
fn alone(copy: &Path) -> Result<Connection, SqlError> {
    let copy = connection::plain(copy)?;
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    Ok(copy)
}

/// Refuses a database in which something does not belong together.
fn check_sound(connection: &Connection) -> Result<(), SqlError> {
    match check::look(connection)?.first() {
        Some(finding) => Err(SqlError::Unsound { what: finding.problem.clone() }),
        None => Ok(()),
    }
}

fn fault(path: &Path) -> impl Fn(std::io::Error) -> SqlError {
    move |source| SqlError::File { path: path.to_owned(), source }
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes what is left of a backup that was not finished.
fn remove(path: &Path) -> Result<(), SqlError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(fault(path)),
    }
}

fn sync_folder(path: &Path) -> Result<(), SqlError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync(folder).map_err(fault(folder))
}

/// Puts a backup in the place of a database that no process has open. What was there is kept beside it.
pub(super) fn put_back(backup: &Path, database: &Path) -> Result<Option<PathBuf>, SqlError> {
    let _lock = connection::lock(database)?;
    let source = connection::reader(backup)?;
    check_sound(&source)?;
    let is_backup: bool = source.query_row("SELECT copied_at IS NOT NULL FROM store", [], |row| row.get(0))?;
    if !is_backup {
        return Err(SqlError::NoBackup { path: backup.to_owned() });
    }
    let beside = |ending: &str| beside(database, ending);
    let fresh = beside(".unfinished");
    remove(&fresh)?;
    copy(&source, &fresh, || Ok(()))?;
    drop(alone(&fresh)?);
    let fault = fault(database);
    sync(&fresh).map_err(&fault)?;
    let before = beside(".before-restore");
    let was_there = database.try_exists().map_err(&fault)?;
    if was_there {
        if before.try_exists().map_err(&fault)? {
            return Err(SqlError::Exists { path: before });
        }
        for ending in ["-wal", "-shm"] {
            let log = beside(ending);
            if log.try_exists().map_err(&fault)? {
                std::fs::rename(&log, beside(&format!(".before-restore{ending}"))).map_err(&fault)?;
            }
        }
        std::fs::rename(database, &before).map_err(&fault)?;
    }
    std::fs::rename(&fresh, database).map_err(&fault)?;
    sync_folder(database)?;
    Ok(was_there.then_some(before))
}
