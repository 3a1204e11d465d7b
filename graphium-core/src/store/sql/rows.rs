//! Rows as values.

use std::borrow::Cow;
use std::sync::Arc;

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

/// A row of an answer, by the names of its columns. What is not as the column must be is [`SqlError::Corrupt`].
pub(super) trait Row {
    fn integer(&self, column: &str) -> Result<i64, SqlError>;
    fn optional_integer(&self, column: &str) -> Result<Option<i64>, SqlError>;
    /// A text, which is looked at where it is if it stands there as it is.
    fn text(&self, column: &str) -> Result<Cow<'_, str>, SqlError>;
    fn optional_text(&self, column: &str) -> Result<Option<Cow<'_, str>>, SqlError>;
    fn uuid(&self, column: &str) -> Result<Uuid, SqlError>;
    fn optional_uuid(&self, column: &str) -> Result<Option<Uuid>, SqlError>;
}

/// The columns of a task that lists are narrowed by, the one with the fewest tasks to a value first.
pub(super) const FIELDS: [&str; 4] = ["container", "stack", "agent", "type"];

/// The columns of a task that make it whole, and those that say what it was when these cannot be read. Where the number of
/// its attempt is lost, `attempt_given` is none below the greatest that was given out.
pub(super) const TASK_COLUMNS: &str = "task.number, task.id, task_spec.spec, task.state, task.created_at, task.ready_at, task.attempt, task.retry_count, \
     task.claim_id, task.agent, task.type, task.stack, task.container, task.status, task.order_at, task.settled_at, \
     CASE WHEN task.attempt < 0 THEN (SELECT max(given) FROM (SELECT max(attempt) AS given FROM attempt \
     WHERE attempt.task = task.number UNION ALL SELECT max(base) FROM store) AS gifts) \
     + CASE WHEN task.status IN ('assigned', 'running') THEN 1 ELSE 0 END ELSE 0 END AS attempt_given";

/// The other table that a task is read from. A task that has lost its row there is not left out.
pub(super) const WITH_SPEC: &str = "LEFT JOIN task_spec ON task_spec.number = task.number";

/// The columns of an attempt.
pub(super) const ATTEMPT_COLUMNS: &str = "attempt.attempt, attempt.record, attempt.report";

/// The columns of a record.
pub(super) const RECORD_COLUMNS: &str = "kind, name, version, body, updated_at";

/// The columns that [`event`] reads.
pub(super) const EVENT_COLUMNS: &str = "seq, type, at, task, stack, agent, actor, data";

/// Every host with what it observed.
pub(super) const HOSTS: &str = "
    SELECT host.id, host.session, inventory.engine, inventory.instances
    FROM host LEFT JOIN inventory ON inventory.host = host.id ORDER BY host.id";

/// Reads a JSON column.
pub(super) fn json<T: DeserializeOwned>(
    what: impl Fn() -> String,
    text: Result<Cow<'_, str>, SqlError>,
) -> Result<T, SqlError> {
    serde_json::from_str(&text?).map_err(|source| SqlError::corrupt(what(), source))
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

/// A number as databases count.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A task, with its place in the order of submission. What of it cannot be read is made up for, and named in it.
pub(super) fn task(row: &dyn Row) -> Result<(Task, u64), SqlError> {
    let id = TaskId::from_uuid(row.uuid("id")?);
    let mut faults = Faults::default();
    let spec = faults.note(json(|| "its spec".into(), row.text("spec")))?;
    let state = faults.note(json(|| "its state".into(), row.text("state")))?;
    let attempt = faults.note(count("its attempt", row.integer("attempt")?))?;
    let retries: i64 = row.integer("retry_count")?;
    let retries = faults.note(u32::try_from(retries).map_err(|error| SqlError::corrupt("its retries", error)))?;
    let claim_id = faults.note(row.optional_uuid("claim_id").map(|id| id.map(ClaimId::from_uuid)))?;
    let attempt = match (attempt, state.as_ref().and_then(TaskState::lease)) {
        (Some(attempt), _) => Attempt(attempt),
        // No number is given twice, so one must stand here that none is above.
        (None, Some(lease)) => lease.attempt,
        (None, None) => Attempt(count("attempt", row.integer("attempt_given")?)?),
    };
    let unreadable = faults.told();
    let task = Task {
        spec: Arc::new(match spec {
            Some(spec) => spec,
            None => remains::spec(id, row)?,
        }),
        created_at: Timestamp::from_micros(row.integer("created_at")?),
        ready_at: Timestamp::from_micros(row.integer("ready_at")?),
        attempt,
        retry_count: retries.unwrap_or_default(),
        claim_id: claim_id.flatten(),
        state: match state {
            Some(state) => state,
            None => remains::state(row, attempt, unreadable.as_deref().unwrap_or_default())?,
        },
        unreadable,
    };
    Ok((task, count("number", row.integer("number")?)?))
}

/// One ended attempt of this task.
pub(super) fn attempt(task: TaskId, row: &dyn Row) -> Result<AttemptEntry, SqlError> {
    Ok(attempt_with_faults(task, row)?.0)
}

/// The same, with what of it cannot be read.
pub(super) fn attempt_with_faults(task: TaskId, row: &dyn Row) -> Result<(AttemptEntry, Option<String>), SqlError> {
    let attempt = Attempt(count("attempt", row.integer("attempt")?)?);
    let mut faults = Faults::default();
    let record = faults.note(json(|| "it".into(), row.text("record")))?;
    let record = record.unwrap_or_else(|| remains::attempt(attempt, faults.told()));
    Ok((AttemptEntry { task, record, report: row.optional_text("report")?.map(Cow::into_owned) }, faults.told()))
}

/// One entry of the log. What of it cannot be read stands in its data.
pub(super) fn event(row: &dyn Row) -> Result<Event, SqlError> {
    Ok(event_with_faults(row)?.0)
}

/// The same, with what of it cannot be read.
pub(super) fn event_with_faults(row: &dyn Row) -> Result<(Event, Option<String>), SqlError> {
    let seq = Seq(count("event", row.integer("seq")?)?);
    let mut faults = Faults::default();
    let written = faults.note(row.text("type"))?;
    let kind = faults.note(written.as_deref().map(|kind| word("type", kind)).transpose())?.flatten();
    let actor = faults.note(row.text("actor"))?.map_or_else(|| remains::UNREADABLE.to_owned(), Cow::into_owned);
    let data = faults.note(json(|| "its data".into(), row.text("data")))?;
    let task_id = faults.note(row.optional_uuid("task").map(|id| id.map(TaskId::from_uuid)))?;
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
        timestamp: Timestamp::from_micros(row.integer("at")?),
        task_id: task_id.flatten(),
        stack_id: stack_id.flatten(),
        agent_id: agent_id.flatten(),
        actor,
        data,
    };
    Ok((event, why))
}

/// One record. A body that cannot be read is null, and the record says why.
pub(super) fn record(row: &dyn Row) -> Result<Record, SqlError> {
    let kind: RecordKind = word("record kind", &row.text("kind")?)?;
    let key = RecordKey::new(kind, row.text("name")?);
    let mut faults = Faults::default();
    let body = faults.note(json(|| "its body".into(), row.text("body")))?;
    let version = count("version", row.integer("version")?)?;
    let updated_at = Timestamp::from_micros(row.integer("updated_at")?);
    Ok(Record { key, version, body: body.unwrap_or_default(), updated_at, unreadable: faults.told() })
}

pub(super) fn optional_word<T: DeserializeOwned>(row: &dyn Row, column: &str) -> Result<Option<T>, SqlError> {
    row.optional_text(column)?.map(|text| word(column, &text)).transpose()
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
pub(super) fn host(row: &dyn Row) -> Result<Host, SqlError> {
    let (host, why) = host_with_faults(row)?;
    if let Some(why) = why {
        tracing::error!(host = %host.id, why, "a host cannot be read back; what its agent says next takes the place of it");
    }
    Ok(host)
}

/// The same, with what of it cannot be read.
pub(super) fn host_with_faults(row: &dyn Row) -> Result<(Host, Option<String>), SqlError> {
    let id: AgentId = word("host", &row.text("id")?)?;
    let mut faults = Faults::default();
    let session = faults.note(json(|| "its session".into(), row.text("session")))?;
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

fn optional_json<T: DeserializeOwned>(row: &dyn Row, column: &str) -> Result<Option<T>, SqlError> {
    row.optional_text(column)?.map(|text| json(|| format!("column {column}"), Ok(text))).transpose()
}
