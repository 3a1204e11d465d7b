//! Bringing into memory what the queue works with: all that is open at the start, and what a batch asks for later.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use rusqlite::{Connection, Row, params};

use super::due;
use super::error::SqlError;
use super::rows::{self, ATTEMPT_COLUMNS, RECORD_COLUMNS, TASK_COLUMNS, WITH_SPEC, count, word};
use crate::clock::Timestamp;
use crate::id::{AgentId, Generation, Seq, SessionId, TaskId};
use crate::store::engine::{Engine, Epoch, Life, Loaded, Mark, Needs, Snapshot};
use crate::store::{Record, RecordKey};
use crate::task::Task;

/// Reads everything that is open into an empty engine.
pub(super) fn restore(connection: &Connection, engine: &mut Engine) -> Result<(), SqlError> {
    let transaction = connection.unchecked_transaction()?;
    engine.restore(snapshot(&transaction)?);

    let mut open = all(&transaction, &open_tasks(), [], rows::task)?;
    open.sort_unstable_by_key(|(_, number)| *number);
    let known: HashSet<_> = open.iter().map(|(task, _)| task.id()).collect();
    let held = open.iter().map(|(task, _)| (task.id(), task.attempt)).filter(|(_, attempt)| attempt.0 > 0);
    let mut needs = Needs { attempts: held.collect(), ..Needs::default() };
    let dependencies = open.iter().flat_map(|(task, _)| task.spec.depends_on.iter().copied());
    needs.tasks = dependencies.filter(|id| !known.contains(id)).collect();

    let mut loaded = fetch(&transaction, needs)?;
    let settled: Vec<_> = loaded.tasks.iter().map(|(task, _)| task.id()).collect();
    loaded.tasks.extend(open);
    engine.absorb(loaded);
    engine.evict(settled);
    transaction.finish()?;
    Ok(())
}

/// Every open task. Without the name of its index SQLite would go through all of history for them.
pub(super) fn open_tasks() -> String {
    format!("SELECT {TASK_COLUMNS} FROM task INDEXED BY task_open {WITH_SPEC} WHERE task.settled_at IS NULL")
}

fn snapshot(connection: &Connection) -> Result<Snapshot, SqlError> {
    let mut snapshot = Snapshot::default();
    let last = "SELECT seq, at FROM event ORDER BY seq DESC LIMIT 1";
    for (seq, at) in all(connection, last, [], |row| Ok((row.get("seq")?, row.get("at")?)))? {
        snapshot.head = Seq(count("event", seq)?);
        snapshot.now = Timestamp::from_micros(at);
    }
    let number = connection.query_row("SELECT coalesce(max(number), 0) FROM task", [], |row| row.get(0))?;
    snapshot.last_number = count("number", number)?;
    let greatest = "SELECT id FROM task ORDER BY id DESC LIMIT 1";
    snapshot.greatest = all(connection, greatest, [], |row| rows::id(row, "id", TaskId::from_uuid))?.pop();
    for host in all(connection, rows::HOSTS, [], rows::host)? {
        snapshot.now = snapshot.now.max(host.last_seen_at);
        snapshot.hosts.insert(host.id.clone(), host);
    }
    let ended = "SELECT agent, session, ended_at FROM ended_session ORDER BY ended_at";
    let ended = all(connection, ended, [], |row| {
        let at = Seq(count("event", row.get("ended_at")?)?);
        Ok((word("agent", &row.get::<_, String>("agent")?)?, at, rows::id(row, "session", SessionId::from_uuid)?))
    })?;
    for (agent, at, session) in ended {
        snapshot.ended.insert(&agent, at, session);
    }
    let lives = "SELECT stack, newest, since FROM generation";
    snapshot.lives = all(connection, lives, [], |row| {
        let newest = Generation(count("generation", row.get("newest")?)?);
        let life = Life { newest, since: count("number", row.get("since")?)? };
        Ok((word("stack", &row.get::<_, String>("stack")?)?, life))
    })?
    .into_iter()
    .collect();
    let epoch = "SELECT epoch, base, restored FROM store";
    for epoch in all(connection, epoch, [], |row| {
        let restored: Option<String> = row.get("restored")?;
        let restored = restored.map(|text| rows::json(|| "the restore".into(), Ok(&text))).transpose()?;
        Ok(Epoch { number: count("epoch", row.get("epoch")?)?, base: count("base", row.get("base")?)?, restored })
    })? {
        snapshot.epoch = epoch;
    }
    let counters = "SELECT kind, name, value FROM counter";
    let counters = all(connection, counters, [], |row| {
        let value = count("counter", row.get("value")?)?;
        Ok((row.get::<_, String>("kind")?, row.get::<_, String>("name")?, value))
    })?;
    for (kind, name, value) in counters {
        match kind.as_str() {
            "status" => drop(snapshot.counters.by_status.insert(word("status", &name)?, value)),
            "attempts_pruned" => match name.as_str() {
                "settled_at" => snapshot.attempts_mark.settled_at = Timestamp::from_micros(signed(value)),
                _ => snapshot.attempts_mark.number = value,
            },
            "type" => drop(snapshot.counters.by_type.insert(word("type", &name)?, value)),
            "attempts_ended" => {
                if let Some(host) = snapshot.hosts.get_mut(&word::<AgentId>("host", &name)?) {
                    host.attempts_ended = value;
                }
            }
            _ => {}
        }
    }
    Ok(snapshot)
}

/// The task up to which attempts are pruned.
pub(super) fn attempts_mark(connection: &Connection) -> Result<Mark, SqlError> {
    let part = |name| {
        let question = "SELECT coalesce(max(value), 0) FROM counter WHERE kind = 'attempts_pruned' AND name = ?";
        connection.query_row(question, [name], |row| row.get(0))
    };
    let number = count("number", part("number")?)?;
    Ok(Mark { settled_at: Timestamp::from_micros(part("settled_at")?), number })
}

/// Until when the backup that this is knows what happened; none when it is no backup.
pub(super) fn backup_at(connection: &Connection) -> Result<Option<Timestamp>, SqlError> {
    let at: Option<i64> = connection.query_row("SELECT copied_at FROM store", [], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_micros))
}

/// Reads what the commands of a batch look at.
pub(super) fn fetch(connection: &Connection, mut needs: Needs) -> Result<Loaded, SqlError> {
    let mut loaded =
        Loaded { due: needs.due.map(|cutoffs| due::read(connection, &cutoffs)).transpose()?, ..Loaded::default() };
    for key in &needs.keys {
        let question = "SELECT task FROM idempotency WHERE key = ?";
        let found = all(connection, question, [key.as_str()], |row| rows::id(row, "task", TaskId::from_uuid))?;
        needs.tasks.extend(&found);
        loaded.keys.extend(found.into_iter().map(|id| (key.clone(), id)));
    }
    if !needs.cascades.is_empty() {
        needs.tasks.extend(cascade(connection, &needs.cascades)?);
    }
    for id in &needs.tasks {
        loaded.tasks.extend(task(connection, *id)?);
    }
    for (id, attempt) in &needs.attempts {
        let question = format!(
            "SELECT {ATTEMPT_COLUMNS} FROM task JOIN attempt ON attempt.task = task.number
             WHERE task.id = ? AND attempt.attempt = ?"
        );
        let key = params![rows::key(*id), signed(attempt.0)];
        loaded.attempts.extend(all(connection, &question, key, |row| rows::attempt(*id, row))?);
    }
    for key in &needs.records {
        loaded.records.extend(record(connection, key)?);
    }
    Ok(loaded)
}

/// One task with its number, if it is there.
pub(super) fn task(connection: &Connection, id: TaskId) -> Result<Option<(Task, u64)>, SqlError> {
    Ok(all(connection, by_id(), [rows::key(id)], rows::task)?.pop())
}

/// One record, if it is there.
pub(super) fn record(connection: &Connection, key: &RecordKey) -> Result<Option<Record>, SqlError> {
    let question = format!("SELECT {RECORD_COLUMNS} FROM record WHERE kind = ? AND name = ?");
    Ok(all(connection, &question, params![key.kind.as_str(), key.name], rows::record)?.pop())
}

pub(super) fn by_id() -> &'static str {
    static QUESTION: LazyLock<String> =
        LazyLock::new(|| format!("SELECT {TASK_COLUMNS} FROM task {WITH_SPEC} WHERE task.id = ?"));
    &QUESTION
}

/// The tasks that fell with these, and every dependency of one of them.
fn cascade(connection: &Connection, roots: &BTreeSet<TaskId>) -> Result<BTreeSet<TaskId>, SqlError> {
    let question = "
        SELECT d.dependant FROM dependency AS d JOIN task ON task.id = d.dependant
        WHERE d.dependency = ? AND task.status = 'cancelled'";
    let (mut fell, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut next: Vec<_> = roots.iter().copied().collect();
    while let Some(id) = next.pop() {
        if !fell.insert(id) {
            continue;
        }
        let key = [rows::key(id)];
        next.extend(all(connection, question, key, |row| rows::id(row, "dependant", TaskId::from_uuid))?);
        found.insert(id);
        found.extend(task(connection, id)?.into_iter().flat_map(|(task, _)| task.spec.depends_on.clone()));
    }
    Ok(found)
}

/// Every row that a question finds.
pub(super) fn all<T>(
    connection: &Connection,
    question: &str,
    parameters: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, SqlError>,
) -> Result<Vec<T>, SqlError> {
    let mut statement = connection.prepare_cached(question)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A number as SQLite counts.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
