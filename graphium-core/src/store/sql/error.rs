//! What can go wrong below the store, and what it means to callers.

use std::path::PathBuf;

use crate::store::{StoreError, StoreErrorKind};

/// What a driver or a reader of values said.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A fault of the database or its file.
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "each database has faults of its own")
)]
#[derive(Debug, thiserror::Error)]
pub(super) enum SqlError {
    #[error("the database refused a statement")]
    Database(#[source] Cause),
    #[error("there is no room left for the database: free space on its disk, and writing goes on by itself")]
    Full(#[source] Cause),
    #[error("the database did not answer in time: ask for less at once")]
    Slow,
    #[error("a read did not come to its end")]
    Read(#[source] tokio::task::JoinError),
    #[error("the database {} could not be brought to the version of this program", path.display())]
    Migrate { path: PathBuf, source: Cause },
    #[error("the database {} could not be opened; check that its folder exists and may be written", path.display())]
    Open { path: PathBuf, source: Cause },
    #[error("the lock file {} could not be opened; check that its folder exists and may be written", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("the database {} is in use by another process: stop the server that has it, or use another file", path.display())]
    InUse { path: PathBuf },
    #[error("{what} cannot be read back: restore the database from a backup")]
    Corrupt { what: String, source: Cause },
    #[error("the database {} is damaged: restore it from a backup", path.display())]
    Damaged { path: PathBuf, source: Cause },
    #[error("the number {number} is larger than a database can keep: it is damaged, restore it from a backup")]
    TooLarge { number: u64 },
    #[error("the thread that keeps the store could not be started")]
    Thread(#[source] std::io::Error),
    #[error("nothing is written after a write that failed, until the store has gone back to what is kept")]
    Behind,
    #[error("the file {} could not be written or read: check its folder and the room on its disk", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the file {} exists: name another one, or move it away", path.display())]
    Exists { path: PathBuf },
    #[error("there is no file {}", path.display())]
    Missing { path: PathBuf },
    #[error("the file {} is no store of Graphium", path.display())]
    NoStore { path: PathBuf },
    #[error(
        "the file {} is of a newer version of Graphium (its tables are of version {version}, and this program knows {known}): \
         use that version", path.display()
    )]
    Newer { path: PathBuf, version: i64, known: usize },
    #[error("the file {} is of an older version of Graphium: start the server once, which brings it up to date", path.display())]
    Older { path: PathBuf },
    #[error(
        "the database is of a newer version of Graphium (its tables are of version {version}, and this program knows {known}): \
         use that version"
    )]
    NewerTables { version: i64, known: usize },
    #[error(
        "a restore of {} was cut short: repeat it, or start the server, and it is finished; before that there is nothing to look at",
        path.display()
    )]
    Restoring { path: PathBuf },
    #[error("the copy is not sound and was not kept: {what}")]
    Unsound { what: String },
    #[error("the file {} is no backup: only a file that a backup made is restored", path.display())]
    NoBackup { path: PathBuf },
    #[error("the backup {} is not sound ({what}): restore another one", path.display())]
    UnsoundBackup { path: PathBuf, what: String },
    #[error("nobody waits for the copy any more")]
    GivenUp,
    #[error("another backup is being made: wait for its end")]
    Copying,
    #[error("the address of the database is not one: it reads postgres://user:password@host/name")]
    Address { source: Cause },
    #[error("the database cannot be reached: check its address, and that it runs")]
    Unreachable { source: Cause },
    #[error(
        "the database was lost while it kept a change, which is kept or is not: ask, or repeat it with the same ids"
    )]
    Unsure { source: Cause },
    #[error("another server decides from now on: ask again")]
    Unseated,
    #[error("the store was closed")]
    Closed,
}

impl SqlError {
    pub(super) fn corrupt(what: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Corrupt { what: what.into(), source: source.into() }
    }

    /// What a caller can do about it.
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Migrate { .. }
            | Self::Corrupt { .. }
            | Self::Damaged { .. }
            | Self::TooLarge { .. }
            | Self::NoStore { .. }
            | Self::Newer { .. }
            | Self::NewerTables { .. }
            | Self::UnsoundBackup { .. } => StoreErrorKind::Corrupt,
            Self::Address { .. } => StoreErrorKind::Invalid,
            Self::Older { .. } | Self::Exists { .. } | Self::NoBackup { .. } | Self::InUse { .. } => {
                StoreErrorKind::Conflict
            }
            Self::Missing { .. } => StoreErrorKind::NotFound,
            Self::Database(_)
            | Self::Full(_)
            | Self::Slow
            | Self::Read(_)
            | Self::Open { .. }
            | Self::Lock { .. }
            | Self::Thread(_)
            | Self::Behind
            | Self::Unsound { .. }
            | Self::File { .. }
            | Self::Copying
            | Self::Restoring { .. }
            | Self::GivenUp
            | Self::Unreachable { .. }
            | Self::Unsure { .. }
            | Self::Unseated
            | Self::Closed => StoreErrorKind::Unavailable,
        }
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        Self::new(error.kind(), error.to_string()).caused_by(error)
    }
}
