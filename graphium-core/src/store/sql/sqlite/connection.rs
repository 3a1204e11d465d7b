//! How the file is opened: one connection that writes, a few that read, and a lock that keeps other processes out.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};
use tokio::time::Instant;

use super::files::{beside, exists};
use super::write::STATEMENTS;
use crate::store::sql::error::SqlError;
use crate::store::sql::rows::count;

/// How long a statement waits for a lock of SQLite's own.
const BUSY: Duration = Duration::from_secs(5);
/// How long the lock of a process that is just ending is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(20);

const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("migrations/0001_queue.sql")),
    M::up(include_str!("migrations/0002_unreadable.sql")),
    M::up(include_str!("migrations/0003_listing.sql")),
    M::up(include_str!("migrations/0004_generation.sql")),
];

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, SqlError> {
    let fault = not_opened(path);
    // The connection is used by one thread at a time; what is prepared stays with it.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&fault)?;
    connection.busy_timeout(BUSY).map_err(&fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let set = "PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(set).map_err(&fault)?;
    Ok(connection)
}

/// A file that is no database, or cannot be had.
fn not_opened(path: &Path) -> impl Fn(rusqlite::Error) -> SqlError {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => SqlError::NoStore { path: path.to_owned() },
        Some(ErrorCode::DatabaseCorrupt) => SqlError::Damaged { path: path.to_owned(), source: source.into() },
        _ => SqlError::Open { path: path.to_owned(), source: source.into() },
    }
}

/// The one connection that writes.
pub(super) fn writer(path: &Path) -> Result<Connection, SqlError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let set = "
        PRAGMA page_size = 8192;
        PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;";
    connection.execute_batch(set).map_err(not_opened(path))?;
    Ok(connection)
}

/// A connection to a copy that nobody else uses, which stays as it is.
pub(super) fn plain(path: &Path) -> Result<Connection, SqlError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, SqlError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection that only reads a store's file, on which another process may be at work.
pub(super) fn of_store(path: &Path) -> Result<Connection, SqlError> {
    let is_whole = || match exists(&beside(path, ".restoring"))? {
        true => Err(SqlError::Restoring { path: path.to_owned() }),
        false => Ok(()),
    };
    is_whole()?;
    if !exists(path)? {
        return Err(SqlError::Missing { path: path.to_owned() });
    }
    let connection = reader(path)?;
    let ours = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('store') WHERE name = 'copied_at')";
    if version(path, &connection)? == 0 || !connection.query_row(ours, [], |row| row.get(0))? {
        return Err(SqlError::NoStore { path: path.to_owned() });
    }
    // A restore may have begun since, and have taken the log away before it was opened.
    is_whole()?;
    Ok(connection)
}

/// The same for what only tables of the present version answer.
pub(super) fn of_store_up_to_date(path: &Path) -> Result<Connection, SqlError> {
    let connection = of_store(path)?;
    if version(path, &connection)? < MIGRATIONS.len() {
        return Err(SqlError::Older { path: path.to_owned() });
    }
    Ok(connection)
}

/// The version of the tables; 0 when there are none.
fn version(path: &Path, connection: &Connection) -> Result<usize, SqlError> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(not_opened(path))?;
    match count("version", version).map(usize::try_from)? {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(SqlError::Newer { path: path.to_owned(), version, known: MIGRATIONS.len() }),
    }
}

/// Brings the tables to the version of this program.
pub(super) fn migrate(path: &Path, connection: &mut Connection) -> Result<(), SqlError> {
    version(path, connection)?;
    Migrations::from_slice(MIGRATIONS)
        .to_latest(connection)
        .map_err(|source| SqlError::Migrate { path: path.to_owned(), source: source.into() })
}

/// Keeps other processes from the database until it is dropped.
///
/// The lock is a file of its own: to open and close the database itself outside SQLite would drop the locks that SQLite
/// holds for this process.
pub(super) fn lock(path: &Path) -> Result<File, SqlError> {
    let lock_path = beside(path, ".lock");
    let fault = |source| SqlError::Lock { path: lock_path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(fault)?;

    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Err(SqlError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
    }
}
