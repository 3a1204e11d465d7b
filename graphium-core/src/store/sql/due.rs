//! What is old enough to be pruned, found by the order in which it came to its end.

use std::time::Duration;

use rusqlite::{Connection, params, params_from_iter};

use super::error::SqlError;
use super::load::{self, all, signed};
use super::rows::{self, TASK_COLUMNS, WITH_SPEC, count};
use crate::clock::Timestamp;
use crate::id::{Seq, TaskId};
use crate::store::engine::{Cutoffs, Due, Mark};
use crate::store::{PRUNE_BATCH, Pruned, Retention};

/// Tasks that another one depends on are needed.
const DEPENDED_ON: &str = "EXISTS (SELECT 1 FROM dependency WHERE dependency.dependency = task.id)";
/// The tasks of the newest generation of a stack are needed. A spec that is no JSON must not end the question.
const NEWEST: &str = "
    (task.stack IS NOT NULL AND EXISTS (
        SELECT 1 FROM generation WHERE generation.stack = task.stack AND generation.since < task.number
        AND generation.newest = CASE WHEN json_valid(task_spec.spec)
            THEN json_extract(task_spec.spec, '$.placed.generation') END))";

/// Reads what may go. The tables must be up to date with the engine.
pub(super) fn read(connection: &Connection, cutoffs: &Cutoffs) -> Result<Due, SqlError> {
    let mut due = Due::default();
    let (limit, last) = (signed(PRUNE_BATCH as u64), signed(cutoffs.last_number));
    if let Some(cutoff) = cutoffs.tasks {
        let values = params![cutoff.as_micros(), last, limit];
        due.tasks = all(connection, &tasks(), values, rows::task)?;
    }
    if let Some(cutoff) = cutoffs.attempts {
        let Mark { settled_at, number } = cutoffs.mark;
        let values = params![settled_at.as_micros(), signed(number), cutoff.as_micros(), last, limit];
        due.attempts = all(connection, ATTEMPTS, values, |row| {
            let settled_at = Timestamp::from_micros(row.get("settled_at")?);
            let mark = Mark { settled_at, number: count("number", row.get("number")?)? };
            Ok((rows::id(row, "id", TaskId::from_uuid)?, mark))
        })?;
    }
    if let Some(cutoff) = cutoffs.events {
        let events = all(connection, EVENTS, params![signed(cutoffs.head.0), limit], |row| {
            Ok((Seq(count("event", row.get("seq")?)?), Timestamp::from_micros(row.get("at")?)))
        })?;
        due.events = events.into_iter().take_while(|(_, at)| *at <= cutoff).map(|(seq, _)| seq).collect();
    }
    Ok(due)
}

/// Tasks whose attempts may go.
pub(super) const ATTEMPTS: &str = "
    SELECT id, number, settled_at FROM task INDEXED BY task_settled
    WHERE settled_at IS NOT NULL AND (settled_at, number) > (?, ?) AND settled_at <= ? AND number < ?
    ORDER BY settled_at, number LIMIT ?";
/// The oldest events.
pub(super) const EVENTS: &str = "SELECT seq, at FROM event WHERE seq < ? ORDER BY seq LIMIT ?";

/// Tasks that may go.
pub(super) fn tasks() -> String {
    format!(
        "SELECT {TASK_COLUMNS} FROM task INDEXED BY task_settled {WITH_SPEC}
         WHERE task.settled_at IS NOT NULL AND task.settled_at <= ? AND task.number < ? AND NOT {DEPENDED_ON} AND NOT {NEWEST}
         ORDER BY task.settled_at, task.number LIMIT ?"
    )
}

/// Counts all that may go, however many prunings it takes, and changes nothing. A task that goes is not counted among
/// those whose attempts go.
pub(super) fn count_all(connection: &Connection, retention: &Retention, now: Timestamp) -> Result<Pruned, SqlError> {
    let old = |kept: Option<Duration>| kept.map(|kept| now.before(kept).as_micros());
    let transaction = connection.unchecked_transaction()?;
    let mark = load::attempts_mark(&transaction)?;
    let tasks = format!("WITH RECURSIVE {} SELECT count(*) FROM task WHERE id NOT IN kept", stays());
    let attempts = format!(
        "WITH RECURSIVE {} SELECT count(*) FROM task INDEXED BY task_settled
         WHERE settled_at IS NOT NULL AND (settled_at, number) > (?2, ?3) AND settled_at <= ?4
         AND number < (SELECT max(number) FROM task) AND id IN kept",
        stays()
    );
    let events = "
        SELECT count(*) FROM event WHERE seq < (SELECT max(seq) FROM event)
        AND seq < coalesce((SELECT min(seq) FROM event WHERE at > ?1), 9223372036854775807)";
    let number = |question: &str, values: &[Option<i64>]| -> Result<usize, SqlError> {
        let found = transaction.query_row(question, params_from_iter(values), |row| row.get(0))?;
        Ok(usize::try_from(count("number", found)?).unwrap_or(usize::MAX))
    };
    let settled_before = old(retention.tasks);
    let mut due = Pruned { tasks: number(&tasks, &[settled_before])?, ..Pruned::default() };
    if let Some(cutoff) = old(retention.attempts) {
        let values = [settled_before, Some(mark.settled_at.as_micros()), Some(signed(mark.number)), Some(cutoff)];
        due.attempts = number(&attempts, &values)?;
    }
    if let Some(cutoff) = old(retention.events) {
        due.events = number(events, &[Some(cutoff)])?;
    }
    transaction.finish()?;
    Ok(due)
}

/// The ids of the tasks that stay: for their own sake, or because one that stays depends on them.
fn stays() -> String {
    format!(
        "kept (id) AS (
             SELECT task.id FROM task {WITH_SPEC}
             WHERE task.settled_at IS NULL OR ?1 IS NULL OR task.settled_at > ?1
             OR task.number = (SELECT max(number) FROM task) OR {NEWEST}
             UNION SELECT dependency.dependency FROM dependency JOIN kept ON dependency.dependant = kept.id)"
    )
}
