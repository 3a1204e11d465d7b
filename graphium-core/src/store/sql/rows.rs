//! Rows as values.

use std::sync::Arc;

use rusqlite::Row;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::SqlError;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::id::{Attempt, ClaimId, Seq, TaskId};
use crate::store::engine::AttemptEntry;
use crate::store::{Host, Record, RecordKey, RecordKind};
use crate::task::Task;

/// The columns of a task that make it whole.
pub(super) const TASK_COLUMNS: &str = "task.number, task.id, task_spec.spec, task.state, task.created_at, task.ready_at, task.attempt, task.retry_count, \
     task.claim_id";

/// The columns of a record.
pub(super) const RECORD_COLUMNS: &str = "kind, name, version, body, updated_at";

/// The other table that a task is read from.
pub(super) const WITH_SPEC: &str = "JOIN task_spec ON task_spec.number = task.number";

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

/// The bytes under which an id is kept.
pub(super) fn key(id: TaskId) -> [u8; 16] {
    id.as_uuid().into_bytes()
}

/// Reads an id that is kept as the bytes of its UUID.
pub(super) fn id<T>(row: &Row<'_>, column: &str, id: impl Fn(Uuid) -> T) -> Result<T, SqlError> {
    Ok(id(Uuid::from_bytes(row.get(column)?)))
}

fn optional_id<T>(row: &Row<'_>, column: &str, id: impl Fn(Uuid) -> T) -> Result<Option<T>, SqlError> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|bytes| id(Uuid::from_bytes(bytes))))
}

/// A text that is looked at where it is.
fn text<'a>(row: &'a Row<'_>, column: &str) -> Result<&'a str, SqlError> {
    row.get_ref(column)?.as_str().map_err(|source| SqlError::corrupt(format!("column {column}"), source))
}

fn optional_text<'a>(row: &'a Row<'_>, column: &str) -> Result<Option<&'a str>, SqlError> {
    row.get_ref(column)?.as_str_or_null().map_err(|source| SqlError::corrupt(format!("column {column}"), source))
}

/// A task, with its place in the order of submission.
pub(super) fn task(row: &Row<'_>) -> Result<(Task, u64), SqlError> {
    let id = id(row, "id", TaskId::from_uuid)?;
    let what = || format!("task {id}");
    let retries = row.get("retry_count")?;
    let task = Task {
        spec: Arc::new(json(what, text(row, "spec")?)?),
        created_at: Timestamp::from_micros(row.get("created_at")?),
        ready_at: Timestamp::from_micros(row.get("ready_at")?),
        attempt: Attempt(count("attempt", row.get("attempt")?)?),
        retry_count: u32::try_from(count("retry count", retries)?).map_err(|e| SqlError::corrupt(what(), e))?,
        claim_id: optional_id(row, "claim_id", ClaimId::from_uuid)?,
        state: json(what, text(row, "state")?)?,
    };
    Ok((task, count("number", row.get("number")?)?))
}

/// One ended attempt of this task.
pub(super) fn attempt(task: TaskId, row: &Row<'_>) -> Result<AttemptEntry, SqlError> {
    let record = json(|| format!("an attempt of task {task}"), text(row, "record")?)?;
    Ok(AttemptEntry { task, record, report: row.get("report")? })
}

/// One entry of the log.
pub(super) fn event(row: &Row<'_>) -> Result<Event, SqlError> {
    let seq = Seq(count("event", row.get("seq")?)?);
    Ok(Event {
        seq,
        kind: word("event type", text(row, "type")?)?,
        timestamp: Timestamp::from_micros(row.get("at")?),
        task_id: optional_id(row, "task", TaskId::from_uuid)?,
        stack_id: optional_word(row, "stack")?,
        agent_id: optional_word(row, "agent")?,
        actor: row.get("actor")?,
        data: json(|| format!("event {seq}"), text(row, "data")?)?,
    })
}

/// One record.
pub(super) fn record(row: &Row<'_>) -> Result<Record, SqlError> {
    let kind: RecordKind = word("record kind", text(row, "kind")?)?;
    let key = RecordKey::new(kind, text(row, "name")?);
    let body = json(|| format!("record {key}"), text(row, "body")?)?;
    let version = count("version", row.get("version")?)?;
    Ok(Record { key, version, body, updated_at: Timestamp::from_micros(row.get("updated_at")?) })
}

fn optional_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, SqlError> {
    optional_text(row, column)?.map(|text| word(column, text)).transpose()
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
        last_call: host.last_call,
    }
}

/// A host from the two tables that hold it.
pub(super) fn host(row: &Row<'_>) -> Result<Host, SqlError> {
    let id = text(row, "id")?;
    let what = || format!("host {id}");
    let mut host: Host = json(what, text(row, "session")?)?;
    host.engine = optional_text(row, "engine")?.map(|engine| json(what, engine)).transpose()?;
    host.instances = match optional_text(row, "instances")? {
        Some(instances) => json(what, instances)?,
        None => Vec::new(),
    };
    Ok(host)
}
