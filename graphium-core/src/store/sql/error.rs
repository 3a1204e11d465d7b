//! What can go wrong below the store, and what it means to callers.

use std::path::PathBuf;

use crate::store::{StoreError, StoreErrorKind};

/// A fault of the database or its file.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqlError {
    #[error("the database refused a statement")]
    Database(#[from] sqlx::Error),
    #[error("the database did not answer in time")]
    Slow,
    #[error("the database {} could not be brought to the version of this program", path.display())]
    Migrate { path: PathBuf, source: sqlx::migrate::MigrateError },
    #[error("the database {} could not be opened; check that its folder exists and may be written", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("the lock file {} could not be opened; check that its folder exists and may be written", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("the database {} is in use by another process: stop that one, or use another file", path.display())]
    InUse { path: PathBuf },
    #[error("{what} cannot be read back: restore the database from a backup")]
    Corrupt { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the store was closed")]
    Closed,
}

impl SqlError {
    pub(super) fn corrupt(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt { what: what.into(), source: source.into() }
    }

    /// What a caller can do about it.
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Migrate { .. } | Self::Corrupt { .. } => StoreErrorKind::Corrupt,
            Self::Database(_)
            | Self::Slow
            | Self::Open { .. }
            | Self::Lock { .. }
            | Self::InUse { .. }
            | Self::Closed => StoreErrorKind::Unavailable,
        }
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        Self::new(error.kind(), error.to_string()).caused_by(error)
    }
}
