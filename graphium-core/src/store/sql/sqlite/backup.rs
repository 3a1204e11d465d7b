//! Backups: a copy of the database, page by page beside what goes on, that is looked through before it counts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio_util::sync::CancellationToken;

use super::check;
use super::connection;
use super::files::{beside, clear_away, create_for_owner, exists, fault, remove, remove_database, sync, sync_name};
use crate::id::Seq;
use crate::store::sql::error::SqlError;

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
    let open = |source: rusqlite::Error| SqlError::Open { path: to.to_owned(), source: source.into() };
    create_for_owner(to)?;
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

/// Goes on with a copy until whoever wants it has given up.
pub(super) fn unless(given_up: &CancellationToken) -> impl FnMut() -> Result<(), SqlError> {
    move || if given_up.is_cancelled() { Err(SqlError::GivenUp) } else { Ok(()) }
}

/// The file that a backup is while it is being made.
pub(super) fn unfinished(to: &Path) -> Result<PathBuf, SqlError> {
    if exists(to)? {
        return Err(SqlError::Exists { path: to.to_owned() });
    }
    let unfinished = beside(to, ".unfinished");
    remove_database(&unfinished)?;
    Ok(unfinished)
}

/// Makes a backup of a finished copy, or removes what there is of it. Answers with the newest event in it.
pub(super) fn finish(copied: Result<Seq, SqlError>, unfinished: &Path, to: &Path) -> Result<Seq, SqlError> {
    let sealed = copied.and_then(|head| seal(unfinished, to, head).map(|()| head));
    if sealed.is_err() {
        clear_away(unfinished);
    }
    sealed
}

/// Marks a copy as a backup, looks through all of it, and gives it its name.
fn seal(unfinished: &Path, to: &Path, head: Seq) -> Result<(), SqlError> {
    let copy = alone(unfinished)?;
    let mark = "
        UPDATE store SET copied_at = max(
            coalesce((SELECT at FROM event ORDER BY seq DESC LIMIT 1), 0),
            coalesce((SELECT max(updated_at) FROM record), 0))";
    copy.execute(mark, [])?;
    // A row that cannot be read is as good in the copy as it was.
    if let Some(finding) = check::unsound(&copy)?.first() {
        return Err(SqlError::Unsound { what: finding.problem.clone() });
    }
    if check::head(&copy)? != head {
        return Err(SqlError::Unsound { what: "the newest event is missing".into() });
    }
    drop(copy);
    sync(unfinished)?;
    // A link, unlike a rename, replaces nothing.
    match std::fs::hard_link(unfinished, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(SqlError::Exists { path: to.to_owned() }),
        linked => linked.map_err(fault(to))?,
    }
    remove(unfinished)?;
    sync_name(to)
}

/// A copy as one file, without a log beside it.
pub(super) fn alone(copy: &Path) -> Result<Connection, SqlError> {
    let copy = connection::plain(copy)?;
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    Ok(copy)
}
