//! Backups: a copy of the database, page by page beside what goes on, that is looked through before it counts.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::check;
use super::connection;
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
    if to.try_exists().map_err(|source| SqlError::File { path: to.to_owned(), source })? {
        return Err(SqlError::Exists { path: to.to_owned() });
    }
    let mut name = OsString::from(to);
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    remove(&unfinished)?;
    Ok(unfinished)
}

/// Marks a copy as a backup, looks through all of it, and gives it its name.
pub(super) fn seal(unfinished: &Path, to: &Path, head: Seq) -> Result<(), SqlError> {
    let copy = connection::plain(unfinished)?;
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let mark = "UPDATE store SET copied_at = coalesce((SELECT at FROM event ORDER BY seq DESC LIMIT 1), 0)";
    copy.execute(mark, [])?;
    let findings = check::look(&copy)?;
    if let Some(finding) = findings.first() {
        return Err(SqlError::Unsound { what: finding.problem.clone() });
    }
    if check::head(&copy)? != head {
        return Err(SqlError::Unsound { what: "the newest event is missing".into() });
    }
    drop(copy);
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| SqlError::File { path, source }
    };
    File::open(unfinished).and_then(|file| file.sync_all()).map_err(fault(unfinished))?;
    // A link, unlike a rename, replaces nothing.
    match std::fs::hard_link(unfinished, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(SqlError::Exists { path: to.to_owned() }),
        linked => linked.map_err(fault(to))?,
    }
    remove(unfinished)?;
    sync_folder(to)
}

/// Removes what is left of a backup that was not finished.
pub(super) fn remove(path: &Path) -> Result<(), SqlError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| SqlError::File { path: path.to_owned(), source }),
    }
}

fn sync_folder(path: &Path) -> Result<(), SqlError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| SqlError::File { path: folder.to_owned(), source })
}

/// Puts a backup in the place of a database that no process has open. What was there is kept beside it.
pub(super) fn put_back(backup: &Path, database: &Path) -> Result<Option<PathBuf>, SqlError> {
    let _lock = connection::lock(database)?;
    let source = connection::reader(backup)?;
    let findings = check::look(&source)?;
    if let Some(finding) = findings.first() {
        return Err(SqlError::Unsound { what: finding.problem.clone() });
    }
    let is_backup: bool = source.query_row("SELECT copied_at IS NOT NULL FROM store", [], |row| row.get(0))?;
    if !is_backup {
        return Err(SqlError::NoBackup { path: backup.to_owned() });
    }
    let beside = |ending: &str| {
        let mut name = OsString::from(database);
        name.push(ending);
        PathBuf::from(name)
    };
    let fresh = beside(".unfinished");
    remove(&fresh)?;
    copy(&source, &fresh, || Ok(()))?;
    let whole = connection::plain(&fresh)?;
    whole.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    drop(whole);
    let fault = |source| SqlError::File { path: database.to_owned(), source };
    File::open(&fresh).and_then(|file| file.sync_all()).map_err(fault)?;
    let before = beside(".before-restore");
    let was_there = database.try_exists().map_err(fault)?;
    if was_there {
        if before.try_exists().map_err(fault)? {
            return Err(SqlError::Exists { path: before });
        }
        for ending in ["-wal", "-shm"] {
            let log = beside(ending);
            if log.try_exists().map_err(fault)? {
                std::fs::rename(&log, beside(&format!(".before-restore{ending}"))).map_err(fault)?;
            }
        }
        std::fs::rename(database, &before).map_err(fault)?;
    }
    std::fs::rename(&fresh, database).map_err(fault)?;
    sync_folder(database)?;
    Ok(was_there.then_some(before))
}
