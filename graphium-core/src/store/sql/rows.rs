//! Rows as values.

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::SqlError;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::id::{Attempt, Seq, TaskId};
use crate::store::engine::AttemptEntry;
use crate::store::{Host, Record, RecordKey, RecordKind};
use crate::task::Task;

/// The columns of a task that make it whole.
pub(super) const TASK_COLUMNS: &str = "task.number, task.id, task.spec, task.state, task.created_at, task.ready_at, task.attempt, task.retry_count, \
     task.claim_id";

/// Every host with what it observed.
pub(super) const HOSTS: &str = "
    SELECT host.id, host.session, inventory.engine, inventory.instances
    FROM host LEFT JOIN inventory ON inventory.host = host.id ORDER BY host.id";

/// Reads a JSON column.
pub(super) fn json<T: DeserializeOwned>(what: impl Fn() -> String, text: &str) -> Result<T, SqlError> {
    serde_json::from_str(text).map_err(|source| SqlError::corrupt(what(), source))
}

/// Reads a value that is one word: an id, a name or a number that JSON would quote.
pub(super) fn word<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, SqlError> {
    let quoted = serde_json::Value::String(text.to_owned());
    serde_json::from_value(quoted).map_err(|source| SqlError::corrupt(format!("{what} {text:?}"), source))
}

/// Reads a number that is never negative.
pub(super) fn count(what: &str, number: i64) -> Result<u64, SqlError> {
    u64::try_from(number).map_err(|source| SqlError::corrupt(format!("{what} {number}"), source))
}

/// A task, with its place in the order of submission.
pub(super) fn task(row: &SqliteRow) -> Result<(Task, u64), SqlError> {
    let id: &str = row.try_get("id")?;
    let what = || format!("task {id}");
    let retries = row.try_get("retry_count")?;
    let task = Task {
        spec: json(what, row.try_get("spec")?)?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        ready_at: Timestamp::from_micros(row.try_get("ready_at")?),
        attempt: Attempt(count("attempt", row.try_get("attempt")?)?),
        retry_count: u32::try_from(count("retry count", retries)?).map_err(|e| SqlError::corrupt(what(), e))?,
        claim_id: optional_word(row, "claim_id")?,
        state: json(what, row.try_get("state")?)?,
    };
    Ok((task, count("number", row.try_get("number")?)?))
}

/// One attempt of a task.
pub(super) fn attempt(row: &SqliteRow) -> Result<AttemptEntry, SqlError> {
    let task: TaskId = word("task", row.try_get("task")?)?;
    let record = json(|| format!("an attempt of task {task}"), row.try_get("record")?)?;
    Ok(AttemptEntry { task, record, report: row.try_get("report")? })
}

/// One entry of the log.
pub(super) fn event(row: &SqliteRow) -> Result<Event, SqlError> {
    let seq = Seq(count("event", row.try_get("seq")?)?);
    Ok(Event {
        seq,
        kind: word("event type", row.try_get("type")?)?,
        timestamp: Timestamp::from_micros(row.try_get("at")?),
        task_id: optional_word(row, "task")?,
        stack_id: optional_word(row, "stack")?,
        agent_id: optional_word(row, "agent")?,
        actor: row.try_get("actor")?,
        data: json(|| format!("event {seq}"), row.try_get("data")?)?,
    })
}

/// One record.
pub(super) fn record(row: &SqliteRow) -> Result<Record, SqlError> {
    let kind: RecordKind = word("record kind", row.try_get("kind")?)?;
    let key = RecordKey::new(kind, row.try_get::<&str, _>("name")?);
    let body = json(|| format!("record {key}"), row.try_get("body")?)?;
    let version = count("version", row.try_get("version")?)?;
    Ok(Record { key, version, body, updated_at: Timestamp::from_micros(row.try_get("updated_at")?) })
}

fn optional_word<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>, SqlError> {
    row.try_get::<Option<&str>, _>(column)?.map(|text| word(column, text)).transpose()
}

/// What is written of a host at each call of its agent: all but what it observed.
pub(super) fn session_document(host: &Host) -> Host {
    Host {
        id: host.id.clone(),
        state: host.state,
        session: host.session,
        machine: host.machine.clone(),
        last_seen_at: host.last_seen_at,
        lease_expires_at: host.lease_expires_at,
        engine: None,
        instances: Vec::new(),
        observed_at: host.observed_at,
        attempts_ended: host.attempts_ended,
        attempts_seen: host.attempts_seen,
        inventory_seq: host.inventory_seq,
        inventory_session: host.inventory_session,
    }
}

/// A host from the two tables that hold it.
pub(super) fn host(row: &SqliteRow) -> Result<Host, SqlError> {
    let id: String = row.try_get("id")?;
    let what = || format!("host {id}");
    let mut host: Host = json(what, row.try_get("session")?)?;
    host.engine = row.try_get::<Option<&str>, _>("engine")?.map(|engine| json(what, engine)).transpose()?;
    host.instances = match row.try_get::<Option<&str>, _>("instances")? {
        Some(instances) => json(what, instances)?,
        None => Vec::new(),
    };
    Ok(host)
}
