//! Putting a backup in the place of a database, so that a crash at any moment leaves one of the two whole.
//!
//! A database is several files, its log among them, and no file system moves several at once. So the restored database
//! is made whole beside the old one, then one rename says which of the two counts, and the rest follows from what stands
//! there: whoever has the lock next, a repeated restore or a store that is opened, finishes it.
//!
//! | beside the database | means |
//! |---|---|
//! | `.unfinished` | a copy in the making; the old database counts |
//! | `.restoring` | the restored database, whole; it counts, and the old one is on its way out |
//! | `.replaced` | the folder in which the files of the old database gather |
//! | `.before-restore-1`, `-2` … | that folder under its lasting name, one for each restore |

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::connection;
use super::files::{PARTS, beside, clear_away, exists, fault, remove_database, sync, sync_name};
use super::{backup, check};
use crate::store::sql::error::SqlError;

/// Puts a backup in the place of a database that no process has open. What was there is kept in the folder that is
/// answered.
pub(super) fn put_back(
    backup: &Path,
    database: &Path,
    given_up: &CancellationToken,
) -> Result<Option<PathBuf>, SqlError> {
    let _lock = connection::lock(database)?;
    let fresh = beside(database, ".unfinished");
    remove_database(&fresh)?;
    if let Err(error) = copy_of(backup, &fresh, given_up) {
        clear_away(&fresh);
        return Err(unsound(backup, error));
    }
    let restoring = beside(database, ".restoring");
    if !exists(&restoring)? {
        // What an earlier restore left to do is done before this one begins.
        finish(database)?;
    }
    Move { from: fresh, to: restoring }.replace()?;
    finish(database)
}

/// Makes a whole database of a backup, without a log beside it.
fn copy_of(backup: &Path, fresh: &Path, given_up: &CancellationToken) -> Result<(), SqlError> {
    let source = connection::of_store(backup)?;
    let is_backup: bool = source.query_row("SELECT copied_at IS NOT NULL FROM store", [], |row| row.get(0))?;
    if !is_backup {
        return Err(SqlError::NoBackup { path: backup.to_owned() });
    }
    backup::copy(&source, fresh, backup::unless(given_up))?;
    let mut copy = backup::alone(fresh)?;
    // An older version may have made the backup.
    connection::migrate(fresh, &mut copy)?;
    if let Some(finding) = check::unsound(&copy)?.first() {
        return Err(SqlError::UnsoundBackup { path: backup.to_owned(), what: finding.problem.clone() });
    }
    drop(copy);
    sync(fresh)?;
    // From here on it happens, whoever waits.
    backup::unless(given_up)()
}

/// What is wrong with a copy is wrong with the backup, and that is the file that people know.
fn unsound(backup: &Path, error: SqlError) -> SqlError {
    let what = if let SqlError::Corrupt { what, source } = &error {
        format!("{what}: {source}")
    } else if let SqlError::Damaged { source, .. } = &error {
        source.to_string()
    } else if let SqlError::Migrate { source, .. } = &error {
        format!("it cannot be brought to the version of this program: {source}")
    } else {
        return error;
    };
    SqlError::UnsoundBackup { path: backup.to_owned(), what }
}

/// Does what a restore has left to do. Answers with the folder in which the database is that was replaced, if something
/// was.
pub(super) fn finish(database: &Path) -> Result<Option<PathBuf>, SqlError> {
    let mut kept = None;
    while let Some(step) = next(database)? {
        step.make()?;
        kept = Some(step.to).filter(|to| to != database);
    }
    Ok(kept)
}

/// A change of one name, which has happened or has not.
#[derive(Debug)]
struct Move {
    from: PathBuf,
    to: PathBuf,
}

/// The next step of a restore, by what stands beside the database.
fn next(database: &Path) -> Result<Option<Move>, SqlError> {
    let (restoring, replaced) = (beside(database, ".restoring"), beside(database, ".replaced"));
    if exists(&restoring)? {
        for ending in PARTS {
            let from = beside(database, ending);
            if exists(&from)? {
                let to = replaced.join(from.file_name().unwrap_or(OsStr::new("database")));
                // Whoever opens the database in the middle makes a part anew that has moved out.
                let to = if exists(&to)? { unused(&to)? } else { to };
                return Ok(Some(Move { from, to }));
            }
        }
        return Ok(Some(Move { from: restoring, to: database.to_owned() }));
    }
    if exists(&replaced)? {
        return Ok(Some(Move { from: replaced, to: unused(&beside(database, ".before-restore"))? }));
    }
    Ok(None)
}

/// The first name of this and a number that nothing has.
fn unused(stem: &Path) -> Result<PathBuf, SqlError> {
    let mut number = 1_u64;
    loop {
        let name = beside(stem, &format!("-{number}"));
        if !exists(&name)? {
            return Ok(name);
        }
        number += 1;
    }
}

impl Move {
    /// Makes the change, unless something has the name.
    fn make(&self) -> Result<(), SqlError> {
        if exists(&self.to)? {
            return Err(SqlError::Exists { path: self.to.clone() });
        }
        if let Some(folder) = self.to.parent().filter(|folder| !folder.as_os_str().is_empty())
            && !exists(folder)?
        {
            std::fs::create_dir(folder).map_err(fault(folder))?;
            sync_name(folder)?;
        }
        self.replace()
    }

    /// Makes the change, whatever has the name, and waits until it lasts.
    fn replace(&self) -> Result<(), SqlError> {
        std::fs::rename(&self.from, &self.to).map_err(fault(&self.from))?;
        sync_name(&self.to)?;
        sync_name(&self.from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::super::files::remove;
    use super::*;
    use crate::clock::ManualClock;
    use crate::id::{AgentId, TaskId};
    use crate::store::{SqliteStore, StoreSettings, Submission, TaskStore};
    use crate::task::{NewTask, TaskType};

    /// The files of a database whose newest task stands in its log alone, and a backup from before that task.
    struct Ground {
        folder: TempDir,
        newest: TaskId,
    }

    fn task() -> NewTask {
        NewTask::new(AgentId::new("vm1").unwrap(), TaskType::Custom("backup".into()))
    }

    async fn open(database: &Path) -> SqliteStore {
        SqliteStore::open(database, Arc::new(ManualClock::default()), StoreSettings::default()).await.unwrap()
    }

    fn copy_all(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                std::fs::create_dir(&to).unwrap();
                copy_all(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    impl Ground {
        /// As a crash of the process leaves it.
        async fn crashed() -> Self {
            let (live, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            let database = live.path().join("graphium.db");
            let store = open(&database).await;
            store.submit(Submission::of("ann", [task()])).await.unwrap();
            store.backup(&live.path().join("backup.db")).await.unwrap();
            let newest = store.submit(Submission::of("ann", [task()])).await.unwrap().tasks[0].id();
            copy_all(live.path(), folder.path());
            let ground = Self { folder, newest };
            assert!(ground.beside("-wal").metadata().unwrap().len() > 0, "the log is a part of it");
            ground
        }

        fn database(&self) -> PathBuf {
            self.folder.path().join("graphium.db")
        }

        fn beside(&self, ending: &str) -> PathBuf {
            beside(&self.database(), ending)
        }

        /// Does the first steps of a restore, and no more. False when there are fewer.
        fn cut_after(&self, steps: usize) -> bool {
            let fresh = self.beside(".unfinished");
            copy_of(&self.backup(), &fresh, &CancellationToken::new()).unwrap();
            if steps == 0 {
                return true;
            }
            Move { from: fresh, to: self.beside(".restoring") }.replace().unwrap();
            for _ in 1..steps {
                match next(&self.database()).unwrap() {
                    Some(step) => step.make().unwrap(),
                    None => return false,
                }
            }
            true
        }

        fn backup(&self) -> PathBuf {
            self.folder.path().join("backup.db")
        }

        /// Whether the store is the restored one, which must not know the newest task, or else the old one, which must.
        async fn is_restored(&self) -> bool {
            let store = open(&self.database()).await;
            let restored = store.status().await.unwrap().restored.is_some();
            assert_eq!(store.task(self.newest).await.is_err(), restored, "neither the old store nor the restored one");
            store.close().await;
            assert_eq!(SqliteStore::check(&self.database()).await.unwrap(), []);
            restored
        }

        /// Whether this folder has the old database with what stood in its log.
        fn keeps_old(&self, folder: &Path) -> bool {
            let question = "SELECT count(*) FROM task";
            let kept = Connection::open(folder.join("graphium.db")).unwrap();
            kept.query_row(question, [], |row| row.get::<_, i64>(0)).unwrap() == 2
        }
    }

    #[tokio::test]
    async fn a_restore_that_is_cut_at_any_step_leaves_the_old_store_or_the_restored_one_whole() {
        let mut steps = 0;
        loop {
            let ground = Ground::crashed().await;
            let there_are_so_many = ground.cut_after(steps);
            assert_eq!(ground.is_restored().await, steps > 0, "cut after {steps} steps");
            if steps > 0 {
                assert!(ground.keeps_old(&ground.beside(".before-restore-1")), "cut after {steps} steps");
            }
            if !there_are_so_many {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 6, "the copy, three parts, the database and the folder: {steps}");
    }

    #[tokio::test]
    async fn a_restore_that_is_cut_at_any_step_is_finished_by_a_repeat() {
        let mut steps = 0;
        loop {
            let ground = Ground::crashed().await;
            let there_are_so_many = ground.cut_after(steps);
            SqliteStore::restore(&ground.backup(), &ground.database()).await.unwrap();
            assert!(ground.is_restored().await, "cut after {steps} steps");
            assert!(ground.keeps_old(&ground.beside(".before-restore-1")), "cut after {steps} steps");
            for left in [".unfinished", ".restoring", ".replaced"] {
                assert!(!ground.beside(left).exists(), "{left}, cut after {steps} steps");
            }
            if !there_are_so_many {
                break;
            }
            steps += 1;
        }
    }

    #[tokio::test]
    async fn a_part_that_a_reader_makes_anew_in_the_middle_of_a_restore_does_not_keep_it_from_its_end() {
        let ground = Ground::crashed().await;
        ground.cut_after(3);
        for (ending, text) in [("-wal", ""), ("-shm", "an index of nothing")] {
            assert!(!ground.beside(ending).exists(), "{ending} has moved out");
            std::fs::write(ground.beside(ending), text).unwrap();
        }

        assert!(ground.is_restored().await);

        assert!(ground.keeps_old(&ground.beside(".before-restore-1")));
    }

    #[tokio::test]
    async fn what_another_transaction_left_undone_is_not_taken_back_in_the_restored_database() {
        let (ground, other) = (Ground::crashed().await, TempDir::new().unwrap());
        let path = other.path().join("graphium.db");
        let writing = Connection::open(&path).unwrap();
        let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";
        let begun = format!(
            "CREATE TABLE x (y); {many} INSERT INTO x SELECT randomblob(900) FROM n;
             PRAGMA cache_size = 2; BEGIN; UPDATE x SET y = randomblob(901)"
        );
        writing.execute_batch(&begun).unwrap();
        for ending in PARTS {
            remove(&ground.beside(ending)).unwrap();
        }
        copy_all(other.path(), ground.folder.path());
        assert!(ground.beside("-journal").metadata().unwrap().len() > 0, "it is hot");

        SqliteStore::restore(&ground.backup(), &ground.database()).await.unwrap();

        assert!(ground.is_restored().await);
        assert!(ground.beside(".before-restore-1").join("graphium.db-journal").exists());
    }

    #[tokio::test]
    async fn what_a_killed_restore_left_of_its_copy_is_no_part_of_the_next() {
        let ground = Ground::crashed().await;
        for ending in PARTS {
            std::fs::write(beside(&ground.beside(".unfinished"), ending), "half of a copy").unwrap();
        }

        SqliteStore::restore(&ground.backup(), &ground.database()).await.unwrap();

        assert!(ground.is_restored().await);
        assert!(PARTS.iter().all(|ending| !beside(&ground.beside(".unfinished"), ending).exists()));
    }

    #[tokio::test]
    async fn what_earlier_restores_kept_stays_as_it_is() {
        let ground = Ground::crashed().await;
        let mut kept = Vec::new();
        for number in 1..=3 {
            let folder = SqliteStore::restore(&ground.backup(), &ground.database()).await.unwrap().unwrap();
            assert_eq!(folder, ground.beside(&format!(".before-restore-{number}")));
            kept.push(folder);
        }
        assert!(ground.keeps_old(&kept[0]));
        assert!(!ground.keeps_old(&kept[1]) && !ground.keeps_old(&kept[2]), "they are of the backup");
    }

    #[tokio::test]
    async fn a_restore_that_was_cut_is_no_store_to_look_at_until_it_is_finished() {
        let ground = Ground::crashed().await;
        ground.cut_after(2);
        let error = SqliteStore::check(&ground.database()).await.unwrap_err();
        assert!(error.to_string().contains("cut short"), "{error}");
        let copy = ground.folder.path().join("copy.db");
        let error = SqliteStore::backup_file(&ground.database(), &copy).await.unwrap_err();
        assert!(error.to_string().contains("cut short") && !copy.exists(), "{error}");
    }
}
