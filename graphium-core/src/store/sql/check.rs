//! Looking through a whole database for what does not belong together.

use rusqlite::Connection;

use super::error::SqlError;
use super::listing::{FIELDS, listed_to};
use super::load::{self, signed};
use super::rows::count;
use crate::id::Seq;
use crate::store::StoreSettings;
use crate::store::engine::Engine;

/// Something in a store's file that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFinding {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub advice: &'static str,
}

const RESTORE: &str = "stop the server and restore the newest backup";
const REPORT: &str = "keep a backup and report it as a fault of Graphium; the store works on";

/// Rules, each with a question that counts what breaks it.
const RULES: [(&str, &str, &str); 9] = [
    (
        "tasks without what was asked for",
        "SELECT count(*) FROM task WHERE NOT EXISTS (SELECT 1 FROM task_spec WHERE task_spec.number = task.number)",
        RESTORE,
    ),
    (
        "specs without their task",
        "SELECT count(*) FROM task_spec WHERE NOT EXISTS (SELECT 1 FROM task WHERE task.number = task_spec.number)",
        REPORT,
    ),
    (
        "attempts without their task",
        "SELECT count(*) FROM attempt WHERE NOT EXISTS (SELECT 1 FROM task WHERE task.number = attempt.task)",
        REPORT,
    ),
    (
        "dependencies on or of a task that is not there",
        "SELECT count(*) FROM dependency WHERE NOT EXISTS (SELECT 1 FROM task WHERE id = dependency.dependency)
         OR NOT EXISTS (SELECT 1 FROM task WHERE id = dependency.dependant)",
        RESTORE,
    ),
    (
        "idempotency keys of a task that is not there",
        "SELECT count(*) FROM idempotency WHERE NOT EXISTS (SELECT 1 FROM task WHERE id = idempotency.task)",
        RESTORE,
    ),
    (
        "statuses whose counter is wrong",
        "SELECT count(*) FROM (SELECT name, max(value) AS kept, sum(n) AS found FROM (
             SELECT name, value, 0 AS n FROM counter WHERE kind = 'status'
             UNION ALL SELECT status, 0, count(*) FROM task GROUP BY status) GROUP BY name HAVING kept <> found)",
        REPORT,
    ),
    (
        "types whose counter is wrong",
        "SELECT count(*) FROM (SELECT name, max(value) AS kept, sum(n) AS found FROM (
             SELECT name, value, 0 AS n FROM counter WHERE kind = 'type'
             UNION ALL SELECT type, 0, count(*) FROM task GROUP BY type) GROUP BY name HAVING kept <> found)",
        REPORT,
    ),
    (
        "gaps in the numbers of events that no restore explains",
        "SELECT count(*) FROM event WHERE type <> 'store_restored' AND seq > (SELECT min(seq) FROM event)
         AND NOT EXISTS (SELECT 1 FROM event AS before WHERE before.seq = event.seq - 1)",
        RESTORE,
    ),
    (
        "settled tasks whose status and end do not agree",
        "SELECT count(*) FROM task
         WHERE (settled_at IS NULL) <> (status = 'pending' OR status = 'assigned' OR status = 'running')",
        RESTORE,
    ),
];

/// The newest event.
pub(super) fn head(connection: &Connection) -> Result<Seq, SqlError> {
    let head = connection.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?;
    Ok(Seq(count("event", head)?))
}

/// Looks through everything, in one reading of the file.
pub(super) fn look(connection: &Connection) -> Result<Vec<StoreFinding>, SqlError> {
    let transaction = connection.unchecked_transaction()?;
    let mut findings = Vec::new();
    let mut statement = transaction.prepare("PRAGMA integrity_check")?;
    for line in statement.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            findings.push(StoreFinding { problem: format!("the file is damaged: {line}"), advice: RESTORE });
        }
    }
    drop(statement);
    if !findings.is_empty() {
        return Ok(findings);
    }
    for (problem, question, advice) in RULES {
        let found: i64 = transaction.query_row(question, [], |row| row.get(0))?;
        if found > 0 {
            findings.push(StoreFinding { problem: format!("{found} {problem}"), advice });
        }
    }
    let listed = signed(listed_to(&transaction)?);
    for field in FIELDS {
        let question = format!(
            "SELECT (SELECT count(*) FROM task WHERE number <= ?1 AND {field} IS NOT NULL)
                  - (SELECT count(*) FROM listing JOIN task ON task.number = listing.number
                     WHERE listing.field = '{field}' AND listing.value = task.{field} AND listing.number <= ?1)"
        );
        let missing: i64 = transaction.query_row(&question, [listed], |row| row.get(0))?;
        if missing != 0 {
            findings.push(StoreFinding {
                problem: format!("{missing} tasks missing from the list by {field}"),
                advice: REPORT,
            });
        }
    }
    transaction.finish()?;
    let mut engine = Engine::new(StoreSettings::default(), 0);
    match load::restore(connection, &mut engine) {
        Err(SqlError::Corrupt { what, .. }) => {
            findings.push(StoreFinding { problem: format!("{what} cannot be read back"), advice: RESTORE });
        }
        restored => restored?,
    }
    Ok(findings)
}
