//! Rows as values.

use std::sync::Arc;

use rusqlite::Row;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::SqlError;
use super::remains::{self, Faults};
use crate::clock::Timestamp;
use crate::event::{Event, EventType};
use crate::id::{AgentId, Attempt, ClaimId, Seq, TaskId};
use crate::store::engine::AttemptEntry;
use crate::store::{Host, Record, RecordKey, RecordKind};
use crate::task::{Task, TaskState};

/// The columns of a task that make it whole, and those that say what it was when these cannot be read. Where the number of
/// its attempt is lost, `attempt_given` is none below the greatest that was given out.
pub(super) const TASK_COLUMNS: &str = "task.number, task.id, task_spec.spec, task.state, task.created_at, task.ready_at, task.attempt, task.retry_count, \
     task.claim_id, task.agent, task.type, task.stack, task.container, task.status, task.order_at, task.settled_at, \
     iif(task.attempt < 0, (SELECT max(coalesce(max(attempt), 0), (SELECT coalesce(max(base), 0) FROM store)) FROM attempt \
     WHERE attempt.task = task.number) + (task.status IN ('assigned', 'running')), 0) AS attempt_given";

/// The columns of an attempt.
pub(super) const ATTEMPT_COLUMNS: &str = "attempt.attempt, attempt.record, attempt.report";

/// The columns of a record.
pub(super) const RECORD_COLUMNS: &str = "kind, name, version, body, updated_at";

/// The columns that [`event`] reads.
pub(super) const EVENT_COLUMNS: &str = "seq, type, at, task, stack, agent, actor, data";

/// The other table that a task is read from. A task that has lost its row there is not left out.
pub(super) const WITH_SPEC: &str = "LEFT JOIN task_spec ON task_spec.number = task.number";

/// Every host with what it observed.
pub(super) const HOSTS: &str = "
    SELECT host.id, host.session, inventory.engine, inventory.instances
    FROM host LEFT JOIN inventory ON inventory.host = host.id ORDER BY host.id";

/// Reads a JSON column.
pub(super) fn json<T: DeserializeOwned>(
    what: impl Fn() -> String,
    text: Result<&str, SqlError>,
) -> Result<T, SqlError> {
    serde_json::from_str(text?).map_err(|source| SqlError::corrupt(what(), source))
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
    let corrupt = |source| SqlError::corrupt(format!("column {column}"), source);
    let Some(bytes) = row.get_ref(column)?.as_blob_or_null().map_err(corrupt)? else { return Ok(None) };
    let uuid = Uuid::from_slice(bytes).map_err(|source| SqlError::corrupt(format!("column {column}"), source))?;
    Ok(Some(id(uuid)))
}

/// A text that is looked at where it is.
pub(super) fn text<'a>(row: &'a Row<'_>, column: &str) -> Result<&'a str, SqlError> {
    row.get_ref(column)?.as_str().map_err(|source| SqlError::corrupt(format!("column {column}"), source))
}

fn optional_text<'a>(row: &'a Row<'_>, column: &str) -> Result<Option<&'a str>, SqlError> {
    row.get_ref(column)?.as_str_or_null().map_err(|source| SqlError::corrupt(format!("column {column}"), source))
}

/// A task, with its place in the order of submission. What of it cannot be read is made up for, and named in it.
pub(super) fn task(row: &Row<'_>) -> Result<(Task, u64), SqlError> {
    let id = id(row, "id", TaskId::from_uuid)?;
    let mut faults = Faults::default();
    let spec = faults.note(json(|| "its spec".into(), text(row, "spec")))?;
    let state = faults.note(json(|| "its state".into(), text(row, "state")))?;
    let attempt = faults.note(count("its attempt", row.get("attempt")?))?;
    let retries: i64 = row.get("retry_count")?;
    let retries = faults.note(u32::try_from(retries).map_err(|error| SqlError::corrupt("its retries", error)))?;
    let claim_id = faults.note(optional_id(row, "claim_id", ClaimId::from_uuid))?;
    let attempt = match (attempt, state.as_ref().and_then(TaskState::lease)) {
        (Some(attempt), _) => Attempt(attempt),
        // No number is given twice, so one must stand here that none is above.
        (None, Some(lease)) => lease.attempt,
        (None, None) => Attempt(count("attempt", row.get("attempt_given")?)?),
    };
    let unreadable = faults.told();
    let task = Task {
        spec: Arc::new(match spec {
            Some(spec) => spec,
            None => remains::spec(id, row)?,
        }),
        created_at: Timestamp::from_micros(row.get("created_at")?),
        ready_at: Timestamp::from_micros(row.get("ready_at")?),
        attempt,
        retry_count: retries.unwrap_or_default(),
        claim_id: claim_id.flatten(),
        state: match state {
            Some(state) => state,
            None => remains::state(row, attempt, unreadable.as_deref().unwrap_or_default())?,
        },
        unreadable,
    };
    Ok((task, count("number", row.get("number")?)?))
}

/// One ended attempt of this task.
pub(super) fn attempt(task: TaskId, row: &Row<'_>) -> Result<AttemptEntry, SqlError> {
    Ok(attempt_with_faults(task, row)?.0)
}

/// The same, with what of it cannot be read.
pub(super) fn attempt_with_faults(task: TaskId, row: &Row<'_>) -> Result<(AttemptEntry, Option<String>), SqlError> {
    let attempt = Attempt(count("attempt", row.get("attempt")?)?);
    let mut faults = Faults::default();
    let record = faults.note(json(|| "it".into(), text(row, "record")))?;
    let record = record.unwrap_or_else(|| remains::attempt(attempt, faults.told()));
    Ok((AttemptEntry { task, record, report: row.get("report")? }, faults.told()))
}

/// One entry of the log. What of it cannot be read stands in its data.
pub(super) fn event(row: &Row<'_>) -> Result<Event, SqlError> {
    Ok(event_with_faults(row)?.0)
}

/// The same, with what of it cannot be read.
pub(super) fn event_with_faults(row: &Row<'_>) -> Result<(Event, Option<String>), SqlError> {
    let seq = Seq(count("event", row.get("seq")?)?);
    let mut faults = Faults::default();
    let written = faults.note(text(row, "type"))?;
    let kind = faults.note(written.map(|kind| word("type", kind)).transpose())?.flatten();
    let actor = faults.note(text(row, "actor"))?.unwrap_or(remains::UNREADABLE).to_owned();
    let data = faults.note(json(|| "its data".into(), text(row, "data")))?;
    let task_id = faults.note(optional_id(row, "task", TaskId::from_uuid))?;
    let stack_id = faults.note(optional_word(row, "stack"))?;
    let agent_id = faults.note(optional_word(row, "agent"))?;
    let why = faults.told();
    let data = match &why {
        None => data.unwrap_or_default(),
        Some(why) => serde_json::json!({ "unreadable": why, "type": written, "data": data }),
    };
    let event = Event {
        seq,
        kind: kind.unwrap_or(EventType::Unreadable),
        timestamp: Timestamp::from_micros(row.get("at")?),
        task_id: task_id.flatten(),
        stack_id: stack_id.flatten(),
        agent_id: agent_id.flatten(),
        actor,
        data,
    };
    Ok((event, why))
}

/// One record. A body that cannot be read is null, and the record says why.
pub(super) fn record(row: &Row<'_>) -> Result<Record, SqlError> {
    let kind: RecordKind = word("record kind", text(row, "kind")?)?;
    let key = RecordKey::new(kind, text(row, "name")?);
    let mut faults = Faults::default();
    let body = faults.note(json(|| "its body".into(), text(row, "body")))?;
    let version = count("version", row.get("version")?)?;
    let updated_at = Timestamp::from_micros(row.get("updated_at")?);
    Ok(Record { key, version, body: body.unwrap_or_default(), updated_at, unreadable: faults.told() })
}

pub(super) fn optional_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, SqlError> {
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

/// A host from the two tables that hold it. One that cannot be read has to speak for itself again.
pub(super) fn host(row: &Row<'_>) -> Result<Host, SqlError> {
    let (host, why) = host_with_faults(row)?;
    if let Some(why) = why {
        tracing::error!(host = %host.id, why, "a host cannot be read back; what its agent says next takes the place of it");
    }
    Ok(host)
}

/// The same, with what of it cannot be read.
pub(super) fn host_with_faults(row: &Row<'_>) -> Result<(Host, Option<String>), SqlError> {
    let id: AgentId = word("host", text(row, "id")?)?;
    let mut faults = Faults::default();
    let session = faults.note(json(|| "its session".into(), text(row, "session")))?;
    let engine = faults.note(optional_json(row, "engine"))?.flatten();
    let instances = faults.note(optional_json(row, "instances"))?.flatten();
    let why = faults.told();
    let mut host: Host = session.unwrap_or_else(|| Host::silent(id));
    host.engine = engine;
    host.instances = instances.unwrap_or_default();
    if why.is_some() {
        (host.observed_at, host.inventory_session) = (None, None);
    }
    Ok((host, why))
}

fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, SqlError> {
    optional_text(row, column)?.map(|text| json(|| format!("column {column}"), Ok(text))).transpose()
}
