//! The log before the database stays short, whoever reads.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::sql::sqlite::checkpoint::{Bounds, Checkpoints};

/// What one commit adds to the log, roughly.
const COMMIT: u64 = 64 << 10;
const BOUNDS: Bounds = Bounds { size: 8 * COMMIT, wait: PATIENCE, pause: Duration::ZERO };

struct Log {
    folder: TempDir,
    connection: Connection,
    checkpoints: Checkpoints,
}

impl Log {
    fn open(bounds: Bounds) -> Self {
        let folder = TempDir::new().unwrap();
        let connection = connection::writer(&file(&folder)).unwrap();
        connection.execute_batch("CREATE TABLE filler (bytes BLOB)").unwrap();
        let checkpoints = Checkpoints::of(&file(&folder), bounds);
        Self { folder, connection, checkpoints }
    }

    fn commit(&mut self) {
        self.connection
            .execute("INSERT INTO filler VALUES (randomblob(?))", [crate::store::sql::rows::signed(COMMIT)])
            .unwrap();
        self.checkpoints.after_commit(&self.connection);
    }

    fn size(&self) -> u64 {
        self.checkpoints.size()
    }
}

#[test]
fn readers_that_follow_each_other_without_a_gap_do_not_make_the_log_grow() {
    let mut log = Log::open(BOUNDS);
    let (path, stop) = (file(&log.folder), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = connection::reader(&path).unwrap();
                let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                            SELECT (SELECT count(*) FROM filler) + (SELECT count(*) FROM n)";
                while !stop.load(Ordering::Relaxed) {
                    reader.query_row(slow, [], |row| row.get::<_, i64>(0)).unwrap();
                }
            });
        }
        let mut longest = 0;
        for _ in 0..64 {
            log.commit();
            longest = longest.max(log.size());
        }
        stop.store(true, Ordering::Relaxed);
        assert!(longest <= BOUNDS.size + 2 * COMMIT, "{longest} bytes");
    });
}

#[test]
fn behind_a_reader_that_stays_the_store_goes_on_and_cuts_the_log_short_once_it_is_gone() {
    let mut log = Log::open(Bounds { wait: Duration::ZERO, ..BOUNDS });
    let reader = connection::reader(&file(&log.folder)).unwrap();
    let stays = reader.unchecked_transaction().unwrap();
    stays.query_row("SELECT count(*) FROM filler", [], |row| row.get::<_, i64>(0)).unwrap();
    for _ in 0..20 {
        log.commit();
    }
    assert!(log.size() > BOUNDS.size);

    stays.finish().unwrap();
    log.commit();

    assert_eq!(log.size(), 0);
}
