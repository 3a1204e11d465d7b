//! What the errors of the driver mean.

use rusqlite::ErrorCode;

use crate::store::sql::error::SqlError;

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.into()),
            Some(ErrorCode::OperationInterrupted) => Self::Slow,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::corrupt("the database file", error),
            _ => {
                if let rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) = error
                {
                    Self::corrupt("a value in the database", error)
                } else {
                    Self::Database(error.into())
                }
            }
        }
    }
}
