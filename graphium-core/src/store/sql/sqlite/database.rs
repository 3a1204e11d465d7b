//! The database behind the writer: a thread that commits, and a connection that reads beside it.

use std::path::{Path, PathBuf};

use futures::FutureExt;
use rusqlite::Connection;

use super::keeper::{Copies, Keeper};
use super::{connection, inbox, restore};
use crate::clock::Timestamp;
use crate::store::engine::{Engine, Loaded, Needs};
use crate::store::sql::ask::{Ask, Question, Words};
use crate::store::sql::batch::Batch;
use crate::store::sql::database::Database;
use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::Letter;
use crate::store::sql::load;
use crate::store::sql::rows::Row;

/// The file of a store that is open.
#[derive(Debug)]
pub(super) struct SqliteDatabase {
    path: PathBuf,
    keeper: Keeper,
    /// Reads what is not in memory.
    reader: Connection,
    /// The version of the file when the inbox was last looked at.
    inbox_seen: Option<i64>,
}

impl SqliteDatabase {
    /// Opens the file and brings its tables up to date.
    pub(super) fn open(path: &Path) -> Result<Self, SqlError> {
        let lock = connection::lock(path)?;
        if let Some(kept) = restore::finish(path)? {
            tracing::warn!(kept = %kept.display(), "a restore that was cut short is finished; what it replaced is kept");
        }
        let mut connection = connection::writer(path)?;
        connection::migrate(path, &mut connection)?;
        let reader = connection::reader(path)?;
        let keeper = Keeper::start(path.to_owned(), connection, lock)?;
        Ok(Self { path: path.to_owned(), keeper, reader, inbox_seen: None })
    }

    /// Who makes backups.
    pub(super) fn copies(&self) -> Copies {
        self.keeper.copies()
    }
}

impl Database for SqliteDatabase {
    fn keep(&mut self, batch: Batch) {
        self.keeper.keep(batch);
    }

    async fn kept(&mut self) -> Result<(), SqlError> {
        self.keeper.kept().await
    }

    /// The lock on the file lasts as long as the process.
    fn is_sure(&self) -> bool {
        true
    }

    async fn reopen(&mut self) -> Result<(), SqlError> {
        self.keeper.reopen().await?;
        self.reader = connection::reader(&self.path)?;
        Ok(())
    }

    async fn restore(&mut self, engine: &mut Engine) -> Result<(), SqlError> {
        at_once(&self.reader, |snapshot| now(load::restore(snapshot, engine)))
    }

    async fn backup_at(&mut self) -> Result<Option<Timestamp>, SqlError> {
        at_once(&self.reader, |snapshot| now(load::backup_at(snapshot)))
    }

    async fn fetch(&mut self, needs: Needs) -> Result<Loaded, SqlError> {
        at_once(&self.reader, |snapshot| now(load::fetch(snapshot, needs)))
    }

    async fn letters(&mut self, again: bool) -> Result<Vec<Letter>, SqlError> {
        if again {
            self.inbox_seen = None;
        }
        inbox::look(&self.reader, &mut self.inbox_seen)
    }

    async fn close(self) {
        drop(self.reader);
        self.keeper.close();
    }
}

/// One state of the file, for as long as its transaction lasts.
pub(super) struct Snapshot<'a>(pub(super) &'a Connection);

/// Reads with all questions seeing the same state of the file.
pub(super) fn at_once<T, E: From<SqlError>>(
    connection: &Connection,
    read: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.unchecked_transaction().map_err(SqlError::from)?;
    let answer = read(&Snapshot(&transaction))?;
    transaction.finish().map_err(SqlError::from)?;
    Ok(answer)
}

/// The end of something that asks a file: it never waits.
pub(super) fn now<T>(read: impl Future<Output = T>) -> T {
    read.now_or_never().expect("a file is asked without waiting")
}

impl Ask for Snapshot<'_> {
    const WORDS: Words = WORDS;

    #[expect(clippy::future_not_send, reason = "a file is asked on one thread")]
    async fn ask<T>(
        &self,
        question: &Question,
        read: impl Fn(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut statement = self.0.prepare_cached(question.text())?;
        let mut rows = statement.query(rusqlite::params_from_iter(question.values()))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }
}

/// The words of SQLite. It keeps no statistics of the tables, so that it has to be told which index has few rows.
pub(super) const WORDS: Words = Words {
    by_open: " INDEXED BY task_open",
    by_failed: " INDEXED BY task_failed",
    by_cancelled: " INDEXED BY task_cancelled",
    by_settled: " INDEXED BY task_settled",
    ids: "(SELECT unhex(replace(value, '-', '')) AS id FROM json_each(?)) AS wanted",
    words: "(SELECT value AS word FROM json_each(?)) AS wanted",
    task_of_event: "+task",
};
