//! How the file is opened: one connection that writes, a few that read, and a lock that keeps other processes out.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlSafeStr, SqlitePool};
use tokio::time::{Instant, sleep};

use super::error::SqlError;

/// How many connections read beside the writer.
const READERS: u32 = 2;
/// How long a reader may be waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a statement waits for a lock of SQLite's own.
const BUSY: Duration = Duration::from_secs(5);
/// How long the lock of a process that is just ending is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// After how many steps of a read the time is looked at.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;
const LOCK_POLL: Duration = Duration::from_millis(20);

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

/// The one connection that writes.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, SqlError> {
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864");
    options.connect().await.map_err(|source| SqlError::Open { path: path.to_owned(), source })
}

/// Connections that only read. A read that takes longer than `cap` is broken off, so that it does not hold back the
/// log for ever.
pub(super) fn readers(path: &Path, cap: Duration) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE)
        .after_connect(move |connection, _| Box::pin(limit(connection, cap)))
        .before_acquire(move |connection, _| {
            Box::pin(async move {
                limit(connection, cap).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options(path).read_only(true))
}

async fn limit(connection: &mut SqliteConnection, cap: Duration) -> Result<(), sqlx::Error> {
    let until = Instant::now() + cap;
    connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_LOOKS, move || Instant::now() < until);
    Ok(())
}

/// Brings the tables to the version of this program.
pub(super) async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), SqlError> {
    let queue = include_str!("migrations/0001_queue.sql").into_sql_str();
    let migrations = vec![Migration::new(1, "queue".into(), MigrationType::Simple, queue, false)];
    let migrated = Migrator::with_migrations(migrations).run(connection).await;
    migrated.map_err(|source| SqlError::Migrate { path: path.to_owned(), source })
}

/// Keeps other processes from the database until it is dropped.
///
/// The lock is a file of its own: to open and close the database itself outside SQLite would drop the locks that SQLite
/// holds for this process.
pub(super) async fn lock(path: &Path) -> Result<File, SqlError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let fault = |source| SqlError::Lock { path: lock_path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(fault)?;

    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(LOCK_POLL).await,
            Err(TryLockError::WouldBlock) => return Err(SqlError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
    }
}
