//! Looking through a whole database for what does not belong together.

use rusqlite::Connection;

use super::database::{Snapshot, at_once, now};
use crate::id::{Seq, TaskId};
use crate::store::StoreSettings;
use crate::store::engine::Engine;
use crate::store::sql::error::SqlError;
use crate::store::sql::listing::listed_to;
use crate::store::sql::load;
use crate::store::sql::rows::{
    self, ATTEMPT_COLUMNS, EVENT_COLUMNS, FIELDS, HOSTS, RECORD_COLUMNS, Row, TASK_COLUMNS, WITH_SPEC, count, signed,
};

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

const OTHER_VERSION: &str = "use the version of Graphium that wrote it, or submit it anew; the store works on";
/// How many rows that cannot be read are named.
const MAX_NAMED: usize = 20;

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

/// Looks through everything.
pub(super) fn look(connection: &Connection) -> Result<Vec<StoreFinding>, SqlError> {
    let mut findings = unsound(connection)?;
    match unreadable(connection) {
        Ok(unreadable) => findings.extend(unreadable),
        // A file that is damaged may not be read to its end, and that it is damaged is told.
        Err(SqlError::Corrupt { .. }) if !findings.is_empty() => {}
        Err(error) => return Err(error),
    }
    Ok(findings)
}

/// Each row that can be kept and copied, and not be read.
fn unreadable(connection: &Connection) -> Result<Vec<StoreFinding>, SqlError> {
    let mut found = Unreadable::default();
    let tasks = format!("SELECT {TASK_COLUMNS} FROM task {WITH_SPEC} ORDER BY task.number");
    found.look(connection, &tasks, |row| {
        let (task, _) = rows::task(row)?;
        Ok(task.unreadable.as_ref().map(|why| format!("task {}: {why}", task.id())))
    })?;
    let records = format!("SELECT {RECORD_COLUMNS} FROM record");
    found.look(connection, &records, |row| {
        let record = rows::record(row)?;
        Ok(record.unreadable.map(|why| format!("record {}: {why}", record.key)))
    })?;
    found.look(connection, HOSTS, |row| {
        let (host, why) = rows::host_with_faults(row)?;
        Ok(why.map(|why| format!("host {}: {why}", host.id)))
    })?;
    let attempts = format!("SELECT task.id, {ATTEMPT_COLUMNS} FROM attempt JOIN task ON task.number = attempt.task");
    found.look(connection, &attempts, |row| {
        let task = TaskId::from_uuid(row.uuid("id")?);
        let (entry, why) = rows::attempt_with_faults(task, row)?;
        Ok(why.map(|why| format!("attempt {} of task {task}: {why}", entry.record.attempt)))
    })?;
    let events = format!("SELECT {EVENT_COLUMNS} FROM event");
    found.look(connection, &events, |row| {
        let (event, why) = rows::event_with_faults(row)?;
        Ok(why.map(|why| format!("event {}: {why}", event.seq)))
    })?;
    Ok(found.findings())
}

/// What cannot be read, of which the first few are named.
#[derive(Debug, Default)]
struct Unreadable {
    named: Vec<String>,
    others: usize,
}

impl Unreadable {
    fn look(
        &mut self,
        connection: &Connection,
        question: &str,
        name: impl Fn(&rusqlite::Row<'_>) -> Result<Option<String>, SqlError>,
    ) -> Result<(), SqlError> {
        let mut statement = connection.prepare(question)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name = match name(row) {
                // Not even its name can be read.
                Err(SqlError::Corrupt { what, source }) => Some(format!("{what}: {source}")),
                name => name?,
            };
            match name {
                Some(name) if self.named.len() < MAX_NAMED => self.named.push(name),
                Some(_) => self.others += 1,
                None => {}
            }
        }
        Ok(())
    }

    fn findings(self) -> Vec<StoreFinding> {
        let others = (self.others > 0).then(|| format!("{} more rows that cannot be read", self.others));
        self.named.into_iter().chain(others).map(|problem| StoreFinding { problem, advice: OTHER_VERSION }).collect()
    }
}

/// Looks for what does not belong together, in one reading of the file.
pub(super) fn unsound(connection: &Connection) -> Result<Vec<StoreFinding>, SqlError> {
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
    for field in FIELDS {
        let listed = signed(now(listed_to(&Snapshot(&transaction), field))?);
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
    match at_once(connection, |snapshot| now(load::restore(snapshot, &mut engine))) {
        Err(SqlError::Corrupt { what, .. }) => {
            findings.push(StoreFinding { problem: format!("{what} cannot be read back"), advice: RESTORE });
        }
        restored => restored?,
    }
    Ok(findings)
}
