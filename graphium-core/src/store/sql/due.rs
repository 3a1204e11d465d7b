//! What is old enough to be pruned, found by the order in which it came to its end.

use rusqlite::{Connection, params};

use super::error::SqlError;
use super::load::{all, signed};
use super::rows::{self, TASK_COLUMNS, WITH_SPEC, count};
use crate::clock::Timestamp;
use crate::id::{Seq, TaskId};
use crate::store::PRUNE_BATCH;
use crate::store::engine::{Cutoffs, Due, Mark};

/// The tasks of the newest generation of a stack are needed, and those that another one depends on.
const UNNEEDED: &str = "
    NOT EXISTS (SELECT 1 FROM dependency WHERE dependency.dependency = task.id)
    AND NOT (task.stack IS NOT NULL AND EXISTS (
        SELECT 1 FROM generation WHERE generation.stack = task.stack AND generation.since < task.number
        AND generation.newest = json_extract(task_spec.spec, '$.placed.generation')))";

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
         WHERE task.settled_at IS NOT NULL AND task.settled_at <= ? AND task.number < ? AND {UNNEEDED}
         ORDER BY task.settled_at, task.number LIMIT ?"
    )
}
