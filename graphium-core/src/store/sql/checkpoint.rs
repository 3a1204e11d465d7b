//! Keeping the log that stands before the database short.
//!
//! SQLite takes the log into the database by itself every so many pages, but begins it from the front again only when no
//! reader looks at it. Where readers follow each other without a gap it would grow for ever: from a size on, the keeper
//! waits for them once. Every reader of this process is broken off in time; one of another process may hold it up.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::error::SqlError;
use super::readers::MAX_READ;

/// The size in bytes from which on the log is cut short, whoever reads.
pub(super) const MAX_LOG: u64 = 64 << 20;
/// How long the readers are waited for.
const WAIT: Duration = MAX_READ.saturating_add(Duration::from_millis(500));
/// How long after a wait in vain the next one begins.
const PAUSE: Duration = Duration::from_secs(30);

/// When the log was last cut short, and where it is.
#[derive(Debug)]
pub(super) struct Checkpoints {
    log: PathBuf,
    paused_until: Option<Instant>,
}

impl Checkpoints {
    /// The log of this database.
    pub(super) fn of(database: &Path) -> Self {
        let mut log = OsString::from(database);
        log.push("-wal");
        Self { log: log.into(), paused_until: None }
    }

    /// Looks after the log when something was added to it.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        // To look at the size does not open the file, which would cost SQLite its locks.
        let size = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if size <= MAX_LOG || self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.paused_until = match cut_short(connection) {
            Ok(true) => None,
            Ok(false) => {
                tracing::warn!(
                    log = %self.log.display(), size,
                    "another program reads the database without an end, so its log grows: end that program"
                );
                Some(Instant::now() + PAUSE)
            }
            Err(error) => {
                tracing::warn!(%error, "the log could not be taken into the database; trying again later");
                Some(Instant::now() + PAUSE)
            }
        };
    }
}

/// Takes the whole log into the database and empties it. Answers whether no reader was in the way.
fn cut_short(connection: &Connection) -> Result<bool, SqlError> {
    let usual: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
    connection.busy_timeout(WAIT)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_millis(u64::try_from(usual).unwrap_or(0)))?;
    Ok(busy? == 0)
}
