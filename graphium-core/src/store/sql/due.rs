//! What is old enough to be pruned, found by the order in which it came to its end.

#[cfg(feature = "sqlite")]
use std::time::Duration;

use super::ask::{Ask, Question, Words};
#[cfg(feature = "sqlite")]
use super::batch::Value;
use super::error::SqlError;
#[cfg(feature = "sqlite")]
use super::load;
use super::rows::{self, Row, TASK_COLUMNS, WITH_SPEC, count, signed};
use crate::clock::Timestamp;
use crate::id::{Seq, TaskId};
use crate::store::PRUNE_BATCH;
use crate::store::engine::{Cutoffs, Due, Mark};
#[cfg(feature = "sqlite")]
use crate::store::{Pruned, Retention};

/// Tasks that another one depends on are needed.
const DEPENDED_ON: &str = "EXISTS (SELECT 1 FROM dependency WHERE dependency.dependency = task.id)";

/// The tasks of the newest generation of a stack are needed.
const NEWEST: &str = "
    (task.stack IS NOT NULL AND EXISTS (
        SELECT 1 FROM generation WHERE generation.stack = task.stack AND generation.since < task.number
        AND generation.newest = task.generation))";

/// Reads what may go. The tables must be up to date with the engine.
pub(super) async fn read<A: Ask>(ask: &A, cutoffs: &Cutoffs) -> Result<Due, SqlError> {
    let mut due = Due::default();
    let (limit, last) = (signed(PRUNE_BATCH as u64), signed(cutoffs.last_number));
    if let Some(cutoff) = cutoffs.tasks {
        let values = [cutoff.as_micros(), last, limit].map(Into::into);
        due.tasks = ask.ask(&tasks(&A::WORDS).with(values), rows::task).await?;
    }
    if let Some(cutoff) = cutoffs.attempts {
        let Mark { settled_at, number } = cutoffs.mark;
        let values = [settled_at.as_micros(), signed(number), cutoff.as_micros(), last, limit].map(Into::into);
        let settled = |row: &dyn Row| {
            let settled_at = Timestamp::from_micros(row.integer("settled_at")?);
            let mark = Mark { settled_at, number: count("number", row.integer("number")?)? };
            Ok((TaskId::from_uuid(row.uuid("id")?), mark))
        };
        due.attempts = ask.ask(&attempts(&A::WORDS).with(values), settled).await?;
    }
    if let Some(cutoff) = cutoffs.events {
        let values = [signed(cutoffs.head.0), limit].map(Into::into);
        let event =
            |row: &dyn Row| Ok((Seq(count("event", row.integer("seq")?)?), Timestamp::from_micros(row.integer("at")?)));
        let events = ask.ask(&Question::new(EVENTS).with(values), event).await?;
        due.events = events.into_iter().take_while(|(_, at)| *at <= cutoff).map(|(seq, _)| seq).collect();
    }
    Ok(due)
}

/// Tasks whose attempts may go.
pub(super) fn attempts(words: &Words) -> Question {
    Question::new(format!(
        "SELECT id, number, settled_at FROM task{}
         WHERE settled_at IS NOT NULL AND (settled_at, number) > (?, ?) AND settled_at <= ? AND number < ?
         ORDER BY settled_at, number LIMIT ?",
        words.by_settled
    ))
}

/// The oldest events.
pub(super) const EVENTS: &str = "SELECT seq, at FROM event WHERE seq < ? ORDER BY seq LIMIT ?";

/// Tasks that may go.
pub(super) fn tasks(words: &Words) -> Question {
    Question::new(format!(
        "SELECT {TASK_COLUMNS} FROM task{} {WITH_SPEC}
         WHERE task.settled_at IS NOT NULL AND task.settled_at <= ? AND task.number < ? AND NOT {DEPENDED_ON} AND NOT {NEWEST}
         ORDER BY task.settled_at, task.number LIMIT ?",
        words.by_settled
    ))
}

/// Counts all that may go, however many prunings it takes, and changes nothing. A task that goes is not counted among
/// those whose attempts go.
#[cfg(feature = "sqlite")]
pub(super) async fn count_all<A: Ask>(ask: &A, retention: &Retention, now: Timestamp) -> Result<Pruned, SqlError> {
    let old = |kept: Option<Duration>| kept.map(|kept| now.before(kept).as_micros());
    let mark = load::attempts_mark(ask).await?;
    let stays = stays();
    let tasks = format!("WITH RECURSIVE {stays} SELECT count(*) AS n FROM task WHERE id NOT IN (SELECT id FROM kept)");
    let attempts = format!(
        "WITH RECURSIVE {stays} SELECT count(*) AS n FROM task{}
         WHERE settled_at IS NOT NULL AND (settled_at, number) > (?2, ?3) AND settled_at <= ?4
         AND number < (SELECT max(number) FROM task) AND id IN (SELECT id FROM kept)",
        A::WORDS.by_settled
    );
    let events = "
        SELECT count(*) AS n FROM event WHERE seq < (SELECT max(seq) FROM event)
        AND seq < coalesce((SELECT min(seq) FROM event WHERE at > ?1), 9223372036854775807)";
    let number = async |question: &str, values: &[Option<i64>]| -> Result<usize, SqlError> {
        let question = Question::new(question).with(values.iter().copied().map(Value::from));
        let found = ask.ask(&question, |row| count("number", row.integer("n")?)).await?;
        Ok(found.into_iter().next().map_or(0, |found| usize::try_from(found).unwrap_or(usize::MAX)))
    };
    let settled_before = old(retention.tasks);
    let mut due = Pruned { tasks: number(&tasks, &[settled_before]).await?, ..Pruned::default() };
    if let Some(cutoff) = old(retention.attempts) {
        let values = [settled_before, Some(mark.settled_at.as_micros()), Some(signed(mark.number)), Some(cutoff)];
        due.attempts = number(&attempts, &values).await?;
    }
    if let Some(cutoff) = old(retention.events) {
        due.events = number(events, &[Some(cutoff)]).await?;
    }
    Ok(due)
}

/// The ids of the tasks that stay: for their own sake, or because one that stays depends on them.
#[cfg(feature = "sqlite")]
fn stays() -> String {
    format!(
        "kept (id) AS (
             SELECT task.id FROM task {WITH_SPEC}
             WHERE task.settled_at IS NULL OR ?1 IS NULL OR task.settled_at > ?1
             OR task.number = (SELECT max(number) FROM task) OR {NEWEST}
             UNION SELECT dependency.dependency FROM dependency JOIN kept ON dependency.dependant = kept.id)"
    )
}
