//! The stores whose tables a database keeps.
//!
//! The rules are the engine's. Here stands what these stores share: a writer that decides and hands over what is to be kept,
//! what is kept as rows, and rows as values. The words in which a database is asked stand in a folder of its own, and no type
//! of its driver leaves that.

mod ask;
mod batch;
mod command;
mod database;
#[expect(clippy::future_not_send, reason = "a file is asked on one thread, another database by futures that are Send")]
mod due;
mod error;
mod flight;
mod inbox;
#[expect(clippy::future_not_send, reason = "a file is asked on one thread, another database by futures that are Send")]
mod list;
#[expect(clippy::future_not_send, reason = "a file is asked on one thread, another database by futures that are Send")]
mod listing;
#[expect(clippy::future_not_send, reason = "a file is asked on one thread, another database by futures that are Send")]
mod load;
#[cfg(feature = "postgres")]
mod passed_on;
#[cfg(feature = "postgres")]
mod postgres;
#[expect(clippy::future_not_send, reason = "a file is asked on one thread, another database by futures that are Send")]
mod read;
#[cfg_attr(
    not(feature = "sqlite"),
    expect(dead_code, reason = "several servers write records, so none remembers them")
)]
mod record_cache;
mod remains;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
mod writer;

#[cfg(feature = "postgres")]
pub(in crate::store) use self::passed_on::PassedOn;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresSettings, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteStore, StoreFinding};
