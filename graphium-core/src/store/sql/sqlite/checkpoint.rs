//! Keeping the log that stands before the database short.
//!
//! SQLite takes the log into the database by itself every so many pages, but begins it from the front again only when no
//! reader looks at it. Where readers follow each other without a gap it would grow for ever: from a size on, the keeper
//! waits for them once. Every reader of this process is broken off in time; one of another process may hold it up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::files;
use super::readers::MAX_READ;
use crate::store::sql::error::SqlError;

/// How long the log may grow and readers be waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The size in bytes from which on the log is cut short, whoever reads.
    pub(super) size: u64,
    /// How long the readers are waited for.
    pub(super) wait: Duration,
    /// How long after a wait in vain the next one begins.
    pub(super) pause: Duration,
}

impl Default for Bounds {
    /// 64 MiB; a little longer than a read of this process may take; 30 s.
    fn default() -> Self {
        let wait = MAX_READ.saturating_add(Duration::from_millis(500));
        Self { size: 64 << 20, wait, pause: Duration::from_secs(30) }
    }
}

/// When the log was last cut short, and where it is.
#[derive(Debug)]
pub(super) struct Checkpoints {
    log: PathBuf,
    bounds: Bounds,
    paused_until: Option<Instant>,
}

impl Checkpoints {
    /// The log of this database.
    pub(super) fn of(database: &Path, bounds: Bounds) -> Self {
        Self { log: files::beside(database, "-wal"), bounds, paused_until: None }
    }

    /// Looks after the log when something was added to it.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        // To look at the size does not open the file, which would cost SQLite its locks.
        let size = self.size();
        if size <= self.bounds.size || self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.paused_until = match cut_short(connection, self.bounds.wait) {
            Ok(true) => None,
            Ok(false) => {
                tracing::warn!(
                    log = %self.log.display(), size,
                    "another program reads the database without an end, so its log grows: end that program"
                );
                Some(Instant::now() + self.bounds.pause)
            }
            Err(error) => {
                tracing::warn!(%error, "the log could not be taken into the database; trying again later");
                Some(Instant::now() + self.bounds.pause)
            }
        };
    }

    /// How many bytes the log has.
    pub(super) fn size(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }
}

/// Takes the whole log into the database and empties it. Answers whether no reader was in the way.
fn cut_short(connection: &Connection, wait: Duration) -> Result<bool, SqlError> {
    let usual: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
    connection.busy_timeout(wait)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_millis(u64::try_from(usual).unwrap_or(0)))?;
    Ok(busy? == 0)
}
