//! Bringing into memory what the queue works with: all that is open at the start, and what a batch asks for later.

use std::collections::{BTreeSet, HashSet};

use super::ask::{Ask, Question};
use super::batch::Value;
use super::due;
use super::error::SqlError;
use super::rows::{self, ATTEMPT_COLUMNS, RECORD_COLUMNS, Row, TASK_COLUMNS, WITH_SPEC, count, signed, word};
use crate::clock::Timestamp;
use crate::id::{AgentId, Generation, Seq, SessionId, TaskId};
use crate::store::engine::{Engine, Epoch, Life, Loaded, Mark, Needs, Snapshot};
use crate::store::{Record, RecordKey};
use crate::task::Task;

/// Reads everything that is open into an empty engine.
pub(super) async fn restore(ask: &impl Ask, engine: &mut Engine) -> Result<(), SqlError> {
    engine.restore(snapshot(ask).await?);

    let mut open = ask.ask(&open_tasks(ask), rows::task).await?;
    open.sort_unstable_by_key(|(_, number)| *number);
    let known: HashSet<_> = open.iter().map(|(task, _)| task.id()).collect();
    let held = open.iter().map(|(task, _)| (task.id(), task.attempt)).filter(|(_, attempt)| attempt.0 > 0);
    let mut needs = Needs { attempts: held.collect(), ..Needs::default() };
    let dependencies = open.iter().flat_map(|(task, _)| task.spec.depends_on.iter().copied());
    needs.tasks = dependencies.filter(|id| !known.contains(id)).collect();

    let mut loaded = fetch(ask, needs).await?;
    let settled: Vec<_> = loaded.tasks.iter().map(|(task, _)| task.id()).collect();
    loaded.tasks.extend(open);
    engine.absorb(loaded);
    engine.evict(settled);
    Ok(())
}

/// Every open task.
pub(super) fn open_tasks<A: Ask>(_: &A) -> Question {
    let by_open = A::WORDS.by_open;
    Question::new(format!("SELECT {TASK_COLUMNS} FROM task{by_open} {WITH_SPEC} WHERE task.settled_at IS NULL"))
}

async fn snapshot(ask: &impl Ask) -> Result<Snapshot, SqlError> {
    let mut snapshot = Snapshot::default();
    let last = Question::new("SELECT seq, at FROM event ORDER BY seq DESC LIMIT 1");
    for (seq, at) in ask.ask(&last, |row| Ok((row.integer("seq")?, row.integer("at")?))).await? {
        snapshot.head = Seq(count("event", seq)?);
        snapshot.now = Timestamp::from_micros(at);
    }
    let number = Question::new("SELECT coalesce(max(number), 0) AS number FROM task");
    for number in ask.ask(&number, |row| row.integer("number")).await? {
        snapshot.last_number = count("number", number)?;
    }
    let greatest = Question::new("SELECT id FROM task ORDER BY id DESC LIMIT 1");
    snapshot.greatest = ask.ask(&greatest, |row| Ok(TaskId::from_uuid(row.uuid("id")?))).await?.pop();
    for host in ask.ask(&Question::new(rows::HOSTS), rows::host).await? {
        snapshot.now = snapshot.now.max(host.last_seen_at);
        snapshot.hosts.insert(host.id.clone(), host);
    }
    let ended = Question::new("SELECT agent, session, ended_at FROM ended_session ORDER BY ended_at");
    for (agent, at, session) in ask.ask(&ended, ended_session).await? {
        snapshot.ended.insert(&agent, at, session);
    }
    let lives = Question::new("SELECT stack, newest, since FROM generation");
    snapshot.lives = ask.ask(&lives, life).await?.into_iter().collect();
    for epoch in ask.ask(&Question::new("SELECT epoch, base, restored FROM store"), epoch).await? {
        snapshot.epoch = epoch;
    }
    let counters = Question::new("SELECT kind, name, value FROM counter");
    for counter in ask.ask(&counters, counter).await? {
        take_counter(&mut snapshot, counter)?;
    }
    Ok(snapshot)
}

fn ended_session(row: &dyn Row) -> Result<(AgentId, Seq, SessionId), SqlError> {
    let at = Seq(count("event", row.integer("ended_at")?)?);
    Ok((word("agent", &row.text("agent")?)?, at, SessionId::from_uuid(row.uuid("session")?)))
}

fn life(row: &dyn Row) -> Result<(crate::id::StackName, Life), SqlError> {
    let newest = Generation(count("generation", row.integer("newest")?)?);
    let life = Life { newest, since: count("number", row.integer("since")?)? };
    Ok((word("stack", &row.text("stack")?)?, life))
}

fn epoch(row: &dyn Row) -> Result<Epoch, SqlError> {
    let restored = row.optional_text("restored")?;
    let restored = restored.map(|text| rows::json(|| "the restore".into(), Ok(text))).transpose()?;
    let (number, base) = (count("epoch", row.integer("epoch")?)?, count("base", row.integer("base")?)?);
    Ok(Epoch { number, base, restored })
}

fn counter(row: &dyn Row) -> Result<(String, String, u64), SqlError> {
    let value = count("counter", row.integer("value")?)?;
    Ok((row.text("kind")?.into_owned(), row.text("name")?.into_owned(), value))
}

fn take_counter(snapshot: &mut Snapshot, (kind, name, value): (String, String, u64)) -> Result<(), SqlError> {
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
    Ok(())
}

/// The task up to which attempts are pruned.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only a file is looked at from outside"))]
pub(super) async fn attempts_mark(ask: &impl Ask) -> Result<Mark, SqlError> {
    let question = Question::new("SELECT name, value FROM counter WHERE kind = 'attempts_pruned'");
    let parts = ask.ask(&question, |row| Ok((row.text("name")?.into_owned(), row.integer("value")?))).await?;
    let part = |name: &str| parts.iter().find(|(part, _)| part == name).map_or(0, |(_, value)| *value);
    Ok(Mark { settled_at: Timestamp::from_micros(part("settled_at")), number: count("number", part("number"))? })
}

/// Until when the backup that this is knows what happened; none when it is no backup.
pub(super) async fn backup_at(ask: &impl Ask) -> Result<Option<Timestamp>, SqlError> {
    let question = Question::new("SELECT copied_at FROM store");
    let at = ask.ask(&question, |row| row.optional_integer("copied_at")).await?;
    Ok(at.into_iter().flatten().next().map(Timestamp::from_micros))
}

/// Reads what the commands of a batch look at.
pub(super) async fn fetch(ask: &impl Ask, mut needs: Needs) -> Result<Loaded, SqlError> {
    let mut loaded = Loaded::default();
    if let Some(cutoffs) = &needs.due {
        loaded.due = Some(due::read(ask, cutoffs).await?);
    }
    for key in &needs.keys {
        let question = Question::new("SELECT task FROM idempotency WHERE key = ?");
        let question = question.with([Value::Text(key.as_str().to_owned())]);
        let found = ask.ask(&question, |row| Ok(TaskId::from_uuid(row.uuid("task")?))).await?;
        needs.tasks.extend(&found);
        loaded.keys.extend(found.into_iter().map(|id| (key.clone(), id)));
    }
    if !needs.cascades.is_empty() {
        needs.tasks.extend(cascade(ask, &needs.cascades).await?);
    }
    for id in &needs.tasks {
        loaded.tasks.extend(task(ask, *id).await?);
    }
    for (id, attempt) in &needs.attempts {
        let question = format!(
            "SELECT {ATTEMPT_COLUMNS} FROM task JOIN attempt ON attempt.task = task.number
             WHERE task.id = ? AND attempt.attempt = ?"
        );
        let question = Question::new(question).with([id.as_uuid().into(), signed(attempt.0).into()]);
        loaded.attempts.extend(ask.ask(&question, |row| rows::attempt(*id, row)).await?);
    }
    for key in &needs.records {
        loaded.records.extend(record(ask, key).await?);
    }
    Ok(loaded)
}

/// One task with its number, if it is there.
pub(super) async fn task(ask: &impl Ask, id: TaskId) -> Result<Option<(Task, u64)>, SqlError> {
    Ok(ask.ask(&by_id(id), rows::task).await?.pop())
}

/// One record, if it is there.
pub(super) async fn record(ask: &impl Ask, key: &RecordKey) -> Result<Option<Record>, SqlError> {
    let question = Question::new(format!("SELECT {RECORD_COLUMNS} FROM record WHERE kind = ? AND name = ?"));
    let question = question.with([Value::Text(key.kind.as_str().to_owned()), Value::Text(key.name.clone())]);
    Ok(ask.ask(&question, rows::record).await?.pop())
}

pub(super) fn by_id(id: TaskId) -> Question {
    let question = format!("SELECT {TASK_COLUMNS} FROM task {WITH_SPEC} WHERE task.id = ?");
    Question::new(question).with([id.as_uuid().into()])
}

/// The tasks that fell with these, and every dependency of one of them.
async fn cascade(ask: &impl Ask, roots: &BTreeSet<TaskId>) -> Result<BTreeSet<TaskId>, SqlError> {
    let dependants = "
        SELECT d.dependant FROM dependency AS d JOIN task ON task.id = d.dependant
        WHERE d.dependency = ? AND task.status = 'cancelled'";
    let (mut fell, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut next: Vec<_> = roots.iter().copied().collect();
    while let Some(id) = next.pop() {
        if !fell.insert(id) {
            continue;
        }
        let question = Question::new(dependants).with([id.as_uuid().into()]);
        next.extend(ask.ask(&question, |row| Ok(TaskId::from_uuid(row.uuid("dependant")?))).await?);
        found.insert(id);
        found.extend(task(ask, id).await?.into_iter().flat_map(|(task, _)| task.spec.depends_on.clone()));
    }
    Ok(found)
}
