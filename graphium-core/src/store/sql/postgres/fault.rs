//! What the errors of the driver mean.

use std::future::Future;

use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use super::connection::CALL;
use crate::store::sql::error::SqlError;

/// A call to the server, which has to come to an end.
pub(super) trait Reach<T> {
    /// The answer, or an error when there is none in time.
    async fn in_time(self) -> Result<T, SqlError>;
}

impl<T, F: Future<Output = Result<T, tokio_postgres::Error>>> Reach<T> for F {
    async fn in_time(self) -> Result<T, SqlError> {
        timeout(CALL, self).await.map_err(|_| SqlError::Slow)?.map_err(SqlError::from)
    }
}

/// The error of a connection that did not come about.
pub(super) fn not_reached(error: tokio_postgres::Error) -> SqlError {
    SqlError::Unreachable { source: error.into() }
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else { return Self::Unreachable { source: error.into() } };
        match *state {
            SqlState::DISK_FULL => Self::Full(error.into()),
            SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => Self::Slow,
            SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Self::corrupt("the database", error),
            SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
                Self::Unreachable { source: error.into() }
            }
            _ => Self::Database(error.into()),
        }
    }
}
