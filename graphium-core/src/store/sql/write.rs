//! Keeping what a batch has changed: one statement for each kind of change, whatever the size of the batch.

use serde::Serialize;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, SqliteConnection};

use super::error::SqlError;
use super::rows::session_document;
use crate::store::engine::{Changes, Engine, Entry};
use crate::store::page::ByOrder;

// Each statement has exactly one parameter, without a number: they are bound one after the other.

const CREATE_TASKS: &str = "
    INSERT INTO task (number, id, agent, type, stack, container, status, order_at, ready_at, created_at, settled_at,
                      attempt, retry_count, claim_id, state, spec)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15
    FROM json_each(?)";
pub(super) const CHANGE_TASKS: &str = "
    UPDATE task SET status = j.value ->> 1, order_at = j.value ->> 2, ready_at = j.value ->> 3,
                    settled_at = j.value ->> 4, attempt = j.value ->> 5, retry_count = j.value ->> 6,
                    claim_id = j.value ->> 7, state = j.value ->> 8
    FROM json_each(?) AS j WHERE task.number = j.value ->> 0";
const KEEP_ATTEMPTS: &str = "
    INSERT INTO attempt (task, attempt, record, report)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
    ON CONFLICT (task, attempt) DO UPDATE SET record = excluded.record, report = excluded.report";
const KEEP_DEPENDENCIES: &str = "
    INSERT INTO dependency (dependency, dependant) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT DO NOTHING";
const KEEP_KEYS: &str = "
    INSERT INTO idempotency (key, task) SELECT value ->> 0, value ->> 1 FROM json_each(?)";
const KEEP_RECORDS: &str = "
    INSERT INTO record (kind, name, version, body, updated_at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true
    ON CONFLICT (kind, name) DO UPDATE
    SET version = excluded.version, body = excluded.body, updated_at = excluded.updated_at";
const DROP_RECORDS: &str = "
    DELETE FROM record WHERE (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))";
const KEEP_SESSIONS: &str = "
    INSERT INTO host (id, session) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT (id) DO UPDATE SET session = excluded.session";
const KEEP_INVENTORIES: &str = "
    INSERT INTO inventory (host, engine, instances)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
    ON CONFLICT (host) DO UPDATE SET engine = excluded.engine, instances = excluded.instances";
const KEEP_ENDED: &str = "
    INSERT INTO ended_session (agent, session) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT DO NOTHING";
const KEEP_GENERATIONS: &str = "
    INSERT INTO generation (stack, newest) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT (stack) DO UPDATE SET newest = excluded.newest";
const DROP_GENERATIONS: &str = "DELETE FROM generation WHERE stack IN (SELECT value FROM json_each(?))";
const KEEP_COUNTERS: &str = "
    INSERT INTO counter (kind, name, value) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
    ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value";
const APPEND_EVENTS: &str = "
    INSERT INTO event (seq, type, at, task, stack, agent, actor, data)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
    FROM json_each(?)";

/// Writes all changes in one transaction, or none.
///
/// The whole transaction is one text with several statements, so that it is one message to the thread that SQLite works
/// on. After an error the connection may be inside the transaction: close it.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    engine: &Engine,
    changes: &Changes,
) -> Result<(), SqlError> {
    if changes.is_empty() {
        return Ok(());
    }
    let (mut text, mut arguments) = (String::from("BEGIN IMMEDIATE"), SqliteArguments::default());
    for (statement, rows) in statements(engine, changes)? {
        text.push(';');
        text.push_str(statement);
        arguments.add(rows).map_err(sqlx::Error::Encode)?;
    }
    text.push_str("; COMMIT");
    sqlx::query_with(AssertSqlSafe(text), arguments).execute(connection).await?;
    Ok(())
}

/// The statements that are needed, each with its rows as a JSON array.
pub(super) fn statements(engine: &Engine, changes: &Changes) -> Result<Vec<(&'static str, String)>, SqlError> {
    let mut batch = Batch::default();
    tasks(&mut batch, engine, changes)?;
    let attempts = changes.attempts.iter().filter_map(|(id, attempt)| engine.attempt(*id, *attempt));
    batch.add(
        KEEP_ATTEMPTS,
        attempts.map(|entry| Ok((entry.task, entry.record.attempt, text(&entry.record)?, &entry.report))),
    )?;
    batch.add(KEEP_DEPENDENCIES, changes.edges.iter().map(Ok))?;
    batch.add(KEEP_KEYS, changes.keys.iter().map(Ok))?;
    records(&mut batch, engine, changes)?;
    hosts(&mut batch, engine, changes)?;
    let counters = engine.counters();
    let statuses = changes.statuses.iter().map(|status| ("status", status.as_str(), counters.by_status.get(status)));
    let types = changes.types.iter().map(|name| ("type", name.as_str(), counters.by_type.get(name)));
    batch.add(KEEP_COUNTERS, statuses.chain(types).map(|(kind, name, n)| Ok((kind, name, n.unwrap_or(&0)))))?;
    batch.add(
        APPEND_EVENTS,
        changes.events.iter().map(|event| {
            let about = (&event.task_id, &event.stack_id, &event.agent_id);
            let (at, data) = (event.timestamp.as_micros(), text(&event.data)?);
            Ok((event.seq, event.kind, at, about.0, about.1, about.2, &event.actor, data))
        }),
    )?;
    Ok(batch.0)
}

fn tasks(batch: &mut Batch, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
    let created = changes.created.iter().filter_map(|id| engine.entry(*id));
    batch.add(CREATE_TASKS, created.map(new_task))?;
    let changed = changes.changed.iter().filter_map(|id| engine.entry(*id));
    batch.add(
        CHANGE_TASKS,
        changed.map(|Entry { task, number, .. }| {
            let settled_at = task.state.settled_at().map(|at| at.as_micros());
            let (order_at, ready_at) = (ByOrder::of(task).0, task.ready_at.as_micros());
            let (attempt, retries) = (task.attempt, task.retry_count);
            let state = text(&task.state)?;
            Ok((number, task.status(), order_at, ready_at, settled_at, attempt, retries, task.claim_id, state))
        }),
    )
}

fn new_task(entry: &Entry) -> Result<impl Serialize + use<>, SqlError> {
    let Entry { task, number, .. } = entry;
    let placed = task.spec.placed.as_ref();
    let stack = placed.map(|placed| placed.stack.clone());
    let container = placed.and_then(|placed| placed.container.clone());
    let (created_at, settled_at) = (task.created_at.as_micros(), task.state.settled_at().map(|at| at.as_micros()));
    Ok((
        *number,
        task.id(),
        task.agent().clone(),
        task.spec.task_type.clone(),
        stack,
        container,
        task.status(),
        ByOrder::of(task).0,
        task.ready_at.as_micros(),
        created_at,
        settled_at,
        task.attempt,
        task.retry_count,
        task.claim_id,
        text(&task.state)?,
        text(&task.spec)?,
    ))
}

fn records(batch: &mut Batch, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
    let found = |key| engine.records().get(key);
    let kept = changes.records.iter().filter_map(found);
    batch.add(
        KEEP_RECORDS,
        kept.map(|record| {
            let body = text(&record.body)?;
            Ok((record.key.kind, &record.key.name, record.version, body, record.updated_at.as_micros()))
        }),
    )?;
    let dropped = changes.records.iter().filter(|key| found(key).is_none());
    batch.add(DROP_RECORDS, dropped.map(|key| Ok((key.kind, &key.name))))?;
    let newest = |stack| engine.generation(stack);
    let kept = changes.generations.iter().filter_map(|stack| Some((stack, newest(stack)?)));
    batch.add(KEEP_GENERATIONS, kept.map(Ok))?;
    batch.add(DROP_GENERATIONS, changes.generations.iter().filter(|stack| newest(stack).is_none()).map(Ok))
}

fn hosts(batch: &mut Batch, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
    let host = |id| engine.hosts().get(id);
    let seen = changes.hosts.iter().filter_map(host);
    batch.add(KEEP_SESSIONS, seen.map(|host| Ok((&host.id, text(&session_document(host))?))))?;
    let observed = changes.inventories.iter().filter_map(host);
    batch.add(
        KEEP_INVENTORIES,
        observed.map(|host| {
            let engine = host.engine.as_ref().map(text).transpose()?;
            Ok((&host.id, engine, text(&host.instances)?))
        }),
    )?;
    batch.add(KEEP_ENDED, changes.ended.iter().map(Ok))
}

#[derive(Default)]
struct Batch(Vec<(&'static str, String)>);

impl Batch {
    /// Adds a statement, unless it has no rows.
    fn add<T: Serialize>(
        &mut self,
        statement: &'static str,
        rows: impl Iterator<Item = Result<T, SqlError>>,
    ) -> Result<(), SqlError> {
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if !rows.is_empty() {
            self.0.push((statement, text(&rows)?));
        }
        Ok(())
    }
}

fn text(value: &impl Serialize) -> Result<String, SqlError> {
    serde_json::to_string(value).map_err(|source| SqlError::corrupt("a value to be written", source))
}
