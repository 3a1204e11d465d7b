//! Files beside a database: whether they are there, and that what was done to them lasts.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::store::sql::command::chain;
use crate::store::sql::error::SqlError;

/// The endings of the files that a database is, the one that gives it its name last.
pub(super) const PARTS: [&str; 4] = ["-journal", "-wal", "-shm", ""];

/// The file that stands beside a database under its name with this ending.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(ending);
    name.into()
}

/// A fault of this file.
pub(super) fn fault(path: &Path) -> impl Fn(std::io::Error) -> SqlError {
    move |source| SqlError::File { path: path.to_owned(), source }
}

/// Whether something has this name.
pub(super) fn exists(path: &Path) -> Result<bool, SqlError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => found.map(|_| true).map_err(fault(path)),
    }
}

/// Makes an empty file that nobody but its owner may read: a store holds who may do what.
pub(super) fn create_for_owner(path: &Path) -> Result<(), SqlError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(fault(path))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), SqlError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(fault(path)),
    }
}

/// Removes a database with all that SQLite keeps beside it, as far as it is there.
pub(super) fn remove_database(database: &Path) -> Result<(), SqlError> {
    PARTS.into_iter().try_for_each(|ending| remove(&beside(database, ending)))
}

/// Removes what a copy that failed has left. Why it failed is what callers hear; a fault in here is logged.
pub(super) fn clear_away(copy: &Path) {
    if let Err(error) = remove_database(copy) {
        tracing::warn!(error = %chain(&error), "what is left of a copy could not be removed: remove it");
    }
}

/// Waits until the disk has what is in a file or a folder.
pub(super) fn sync(path: &Path) -> Result<(), SqlError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(fault(path))
}

/// Waits until the disk has the name of a file.
pub(super) fn sync_name(path: &Path) -> Result<(), SqlError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new(".")))
}
