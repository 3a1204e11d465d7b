//! Bringing into memory what the queue works with: all that is open at the start, and what a batch asks for later.

use std::collections::{BTreeSet, HashSet};

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::error::SqlError;
use super::rows::{self, TASK_COLUMNS, count, word};
use crate::clock::Timestamp;
use crate::id::{Generation, Seq, TaskId};
use crate::store::engine::{Engine, Loaded, Needs, Snapshot};
use crate::task::IdempotencyKey;

/// Reads everything that is open into an empty engine.
pub(super) async fn restore(connection: &mut SqliteConnection, engine: &mut Engine) -> Result<(), SqlError> {
    engine.restore(snapshot(connection).await?);

    let open = tasks_where(connection, "task.settled_at IS NULL ORDER BY task.number", None).await?;
    let known: HashSet<_> = open.iter().map(|(task, _)| task.id()).collect();
    let held = open.iter().map(|(task, _)| (task.id(), task.attempt)).filter(|(_, attempt)| attempt.0 > 0);
    let mut needs = Needs { attempts: held.collect(), ..Needs::default() };
    let dependencies = open.iter().flat_map(|(task, _)| task.spec.depends_on.iter().copied());
    needs.tasks = dependencies.filter(|id| !known.contains(id)).collect();

    let mut loaded = fetch(connection, needs).await?;
    let settled: Vec<_> = loaded.tasks.iter().map(|(task, _)| task.id()).collect();
    loaded.tasks.extend(open);
    engine.absorb(loaded);
    engine.evict(settled);
    Ok(())
}

async fn snapshot(connection: &mut SqliteConnection) -> Result<Snapshot, SqlError> {
    let mut snapshot = Snapshot::default();
    let last =
        sqlx::query("SELECT seq, at FROM event ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *connection).await?;
    if let Some(last) = last {
        snapshot.head = Seq(count("event", last.try_get("seq")?)?);
        snapshot.now = Timestamp::from_micros(last.try_get("at")?);
    }
    let number: i64 =
        sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM task").fetch_one(&mut *connection).await?;
    snapshot.last_number = count("number", number)?;
    for row in sqlx::query(rows::HOSTS).fetch_all(&mut *connection).await? {
        let host = rows::host(&row)?;
        snapshot.now = snapshot.now.max(host.last_seen_at);
        snapshot.hosts.insert(host.id.clone(), host);
    }
    let ended: Vec<(String, String)> =
        sqlx::query_as("SELECT agent, session FROM ended_session").fetch_all(&mut *connection).await?;
    for (agent, session) in ended {
        snapshot.ended.insert((word("agent", &agent)?, word("session", &session)?));
    }
    let generations: Vec<(String, i64)> =
        sqlx::query_as("SELECT stack, newest FROM generation").fetch_all(&mut *connection).await?;
    for (stack, newest) in generations {
        snapshot.generations.insert(word("stack", &stack)?, Generation(count("generation", newest)?));
    }
    let counters: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT kind, name, value FROM counter").fetch_all(&mut *connection).await?;
    for (kind, name, value) in counters {
        let value = count("counter", value)?;
        if kind == "status" {
            snapshot.counters.by_status.insert(word("status", &name)?, value);
        } else {
            snapshot.counters.by_type.insert(word("type", &name)?, value);
        }
    }
    Ok(snapshot)
}

/// Reads what the commands of a batch look at: one question for each kind.
pub(super) async fn fetch(connection: &mut SqliteConnection, mut needs: Needs) -> Result<Loaded, SqlError> {
    let mut loaded = Loaded::default();
    if !needs.keys.is_empty() {
        loaded.keys = keys(connection, &needs.keys).await?;
        needs.tasks.extend(loaded.keys.iter().map(|(_, id)| *id));
    }
    if !needs.cascades.is_empty() {
        needs.tasks.extend(cascade(connection, &needs.cascades).await?);
    }
    if !needs.tasks.is_empty() {
        let condition = "task.id IN (SELECT value FROM json_each(?1))";
        loaded.tasks = tasks_where(connection, condition, Some(list(&needs.tasks)?)).await?;
    }
    if !needs.attempts.is_empty() {
        let question = "
            SELECT a.task, a.record, a.report FROM json_each(?1) AS j
            CROSS JOIN attempt AS a ON a.task = j.value ->> 0 AND a.attempt = j.value ->> 1";
        let rows = sqlx::query(question).bind(list(&needs.attempts)?).fetch_all(&mut *connection).await?;
        loaded.attempts = rows.iter().map(rows::attempt).collect::<Result<_, _>>()?;
    }
    if !needs.records.is_empty() {
        let names: Vec<_> = needs.records.iter().map(|key| (key.kind, &key.name)).collect();
        let question = "
            SELECT r.kind, r.name, r.version, r.body, r.updated_at FROM json_each(?1) AS j
            CROSS JOIN record AS r ON r.kind = j.value ->> 0 AND r.name = j.value ->> 1";
        let rows = sqlx::query(question).bind(list(&names)?).fetch_all(&mut *connection).await?;
        loaded.records = rows.iter().map(rows::record).collect::<Result<_, _>>()?;
    }
    Ok(loaded)
}

async fn tasks_where(
    connection: &mut SqliteConnection,
    condition: &'static str,
    list: Option<String>,
) -> Result<Vec<(crate::task::Task, u64)>, SqlError> {
    let question = AssertSqlSafe(format!("SELECT {TASK_COLUMNS} FROM task WHERE {condition}"));
    let mut query = sqlx::query(question);
    if let Some(list) = list {
        query = query.bind(list);
    }
    query.fetch_all(connection).await?.iter().map(rows::task).collect()
}

async fn keys(
    connection: &mut SqliteConnection,
    keys: &BTreeSet<IdempotencyKey>,
) -> Result<Vec<(IdempotencyKey, TaskId)>, SqlError> {
    let question = "SELECT key, task FROM idempotency WHERE key IN (SELECT value FROM json_each(?1))";
    let rows: Vec<(String, String)> = sqlx::query_as(question).bind(list(keys)?).fetch_all(connection).await?;
    rows.iter().map(|(key, id)| Ok((word("idempotency key", key)?, word("task", id)?))).collect()
}

/// The tasks that fell with these, and every dependency of one of them.
async fn cascade(connection: &mut SqliteConnection, roots: &BTreeSet<TaskId>) -> Result<Vec<TaskId>, SqlError> {
    let question = "
        WITH RECURSIVE fell(id) AS (
            SELECT value FROM json_each(?1)
            UNION
            SELECT d.dependant FROM fell
            CROSS JOIN dependency AS d ON d.dependency = fell.id
            CROSS JOIN task ON task.id = d.dependant AND task.status = 'cancelled'
        )
        SELECT id FROM fell
        UNION
        SELECT wanted.value FROM fell CROSS JOIN task ON task.id = fell.id, json_each(task.spec, '$.depends_on') AS wanted";
    let rows: Vec<String> = sqlx::query_scalar(question).bind(list(roots)?).fetch_all(connection).await?;
    rows.iter().map(|id| word("task", id)).collect()
}

fn list(values: &impl serde::Serialize) -> Result<String, SqlError> {
    serde_json::to_string(values).map_err(|source| SqlError::corrupt("a question", source))
}
