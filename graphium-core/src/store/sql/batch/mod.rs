//! What one commit keeps, as rows: made from the engine where it is, written where the database is.

pub(super) mod statement;
mod value;

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{ToSql, params_from_iter};

use self::statement::{
    APPEND_EVENT, CHANGE_TASK, CREATE_SPEC, CREATE_TASK, DROP_ATTEMPTS, DROP_COUNTER, DROP_DEPENDENCIES,
    DROP_DEPENDENCY, DROP_ENDED, DROP_EVENTS, DROP_GENERATION, DROP_KEY, DROP_KEYS, DROP_LISTING, DROP_RECORD,
    DROP_SPEC, DROP_TASK, DROP_UNREADABLE, HOLD_TASK, KEEP_ATTEMPT, KEEP_COUNTER, KEEP_DEPENDENCY, KEEP_ENDED,
    KEEP_EPOCH, KEEP_GENERATION, KEEP_HOST, KEEP_INVENTORY, KEEP_KEY, KEEP_RECORD, KEEP_UNREADABLE, REFUSE_LETTER,
    TAKE_LETTER,
};
use self::value::{bytes, integer, text, word};
use crate::clock::Timestamp;
use crate::store::engine::{Changes, Engine, Entry, Gone, Mark};
use crate::store::page::ByOrder;
use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::Opened;
use crate::store::sql::listing::FIELDS;
use crate::store::sql::rows::session_document;
use crate::task::Task;

/// The rows for one statement, which each of them is a run of.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) statement: &'static str,
    /// How many values a row has.
    width: usize,
    values: Vec<Value>,
}

/// Everything that one commit writes, in the order in which it is written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    rows: Vec<Rows>,
    /// The newest task, by its place in the order of submission.
    pub(super) last_number: u64,
    /// Whether it leaves room in the file.
    pub(super) prunes: bool,
}

impl Rows {
    /// Rows for this statement, of which each has so many values.
    fn of(statement: &'static str, width: usize) -> Self {
        Self { statement, width, values: Vec::new() }
    }

    fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.width, "{}", self.statement);
        self.values.extend(row);
    }

    /// Each row, as the parameters of the statement.
    pub(super) fn iter(&self) -> impl Iterator<Item = impl rusqlite::Params> {
        self.values.chunks(self.width).map(|row| params_from_iter(row.iter().map(Borrowed)))
    }
}

/// A value that is bound without a copy.
struct Borrowed<'a>(&'a Value);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0.into()))
    }
}

impl Batch {
    /// Reads from the engine what the changes name.
    pub(super) fn of(engine: &Engine, changes: &Changes) -> Result<Self, SqlError> {
        let mut batch = Self { last_number: engine.last_number(), ..Self::default() };
        batch.tasks(engine, changes)?;
        batch.attempts(engine, changes)?;
        batch.records(engine, changes)?;
        batch.hosts(engine, changes)?;
        batch.counters(engine, changes)?;
        batch.events(changes)?;
        batch.gone(engine, &changes.gone)?;
        batch.epoch(engine, changes)?;
        Ok(batch)
    }

    /// Adds what became of letters.
    pub(super) fn add_letters(&mut self, opened: &Opened, now: Timestamp) {
        let (mut taken, mut refused) = (Rows::of(TAKE_LETTER, 1), Rows::of(REFUSE_LETTER, 4));
        let keys = opened.taken.iter().chain(opened.refused.iter().map(|(letter, _)| &letter.key));
        keys.for_each(|key| taken.push([word(key)]));
        for (letter, error) in &opened.refused {
            refused.push([word(&letter.key), word(letter.json()), word(error), now.as_micros().into()]);
        }
        [taken, refused].into_iter().for_each(|rows| self.add(rows));
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The statements with their rows.
    pub(super) fn rows(&self) -> &[Rows] {
        &self.rows
    }

    fn add(&mut self, rows: Rows) {
        if !rows.values.is_empty() {
            self.rows.push(rows);
        }
    }

    fn tasks(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut unreadable = Rows::of(KEEP_UNREADABLE, 3);
        for (id, why) in &changes.condemned {
            if let Some(entry) = engine.entry(*id) {
                unreadable.push([integer(entry.number)?, word(why), engine.now().as_micros().into()]);
            }
        }
        self.add(unreadable);
        let (mut created, mut specs) = (Rows::of(CREATE_TASK, 15), Rows::of(CREATE_SPEC, 2));
        for entry in changes.created.iter().filter_map(|id| engine.entry(*id)) {
            created.push(new_task(entry)?);
            specs.push([integer(entry.number)?, text(&entry.task.spec)?]);
        }
        let (mut held, mut changed) = (Rows::of(HOLD_TASK, 6), Rows::of(CHANGE_TASK, 9));
        for Entry { task, number, .. } in changes.changed.iter().filter_map(|id| engine.entry(*id)) {
            if !changes.moved.contains(&task.id()) {
                held.push([
                    integer(*number)?,
                    word(task.status().as_str()),
                    integer(task.attempt.0)?,
                    task.retry_count.into(),
                    task.claim_id.map(|id| bytes(id.as_uuid())).into(),
                    text(&task.state)?,
                ]);
                continue;
            }
            changed.push([
                integer(*number)?,
                word(task.status().as_str()),
                ByOrder::of(task).0.into(),
                task.ready_at.as_micros().into(),
                task.state.settled_at().map(|at| at.as_micros()).into(),
                integer(task.attempt.0)?,
                task.retry_count.into(),
                task.claim_id.map(|id| bytes(id.as_uuid())).into(),
                text(&task.state)?,
            ]);
        }
        let mut edges = Rows::of(KEEP_DEPENDENCY, 2);
        for (dependency, dependant) in &changes.edges {
            edges.push([bytes(dependency.as_uuid()).into(), bytes(dependant.as_uuid()).into()]);
        }
        let mut keys = Rows::of(KEEP_KEY, 2);
        for (key, task) in &changes.keys {
            keys.push([word(key.as_str()), bytes(task.as_uuid()).into()]);
        }
        [created, specs, held, changed, edges, keys].into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }

    fn attempts(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut rows = Rows::of(KEEP_ATTEMPT, 4);
        for (id, attempt) in &changes.attempts {
            let (Some(entry), Some(ended)) = (engine.entry(*id), engine.attempt(*id, *attempt)) else { continue };
            if ended.record.ended_at.is_some() {
                let report = ended.report.clone().into();
                rows.push([integer(entry.number)?, integer(attempt.0)?, text(&ended.record)?, report]);
            }
        }
        self.add(rows);
        Ok(())
    }

    fn records(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let (mut kept, mut dropped) = (Rows::of(KEEP_RECORD, 5), Rows::of(DROP_RECORD, 2));
        for key in &changes.records {
            let (kind, name) = (word(key.kind.as_str()), word(&key.name));
            match engine.records().get(key) {
                Some(record) => {
                    let (version, at) = (integer(record.version)?, record.updated_at.as_micros().into());
                    kept.push([kind, name, version, text(&record.body)?, at]);
                }
                None => dropped.push([kind, name]),
            }
        }
        let (mut newest, mut forgotten) = (Rows::of(KEEP_GENERATION, 3), Rows::of(DROP_GENERATION, 1));
        for stack in &changes.generations {
            match engine.life(stack) {
                Some(life) => newest.push([word(stack.as_str()), integer(life.newest.0)?, integer(life.since)?]),
                None => forgotten.push([word(stack.as_str())]),
            }
        }
        [kept, dropped, newest, forgotten].into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }

    fn hosts(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut seen = Rows::of(KEEP_HOST, 2);
        for host in changes.hosts.iter().filter_map(|id| engine.hosts().get(id)) {
            seen.push([word(host.id.as_str()), text(&session_document(host))?]);
        }
        let mut observed = Rows::of(KEEP_INVENTORY, 3);
        for host in changes.inventories.iter().filter_map(|id| engine.hosts().get(id)) {
            let engine = host.engine.as_ref().map(text).transpose()?.unwrap_or(Value::Null);
            observed.push([word(host.id.as_str()), engine, text(&host.instances)?]);
        }
        let (mut ended, mut forgotten) = (Rows::of(KEEP_ENDED, 3), Rows::of(DROP_ENDED, 2));
        for (agent, session) in &changes.ended {
            let (of, id) = (word(agent.as_str()), bytes(session.as_uuid()).into());
            match engine.ended().ended_at(agent, *session) {
                Some(at) => ended.push([of, id, integer(at.0)?]),
                None => forgotten.push([of, id]),
            }
        }
        [seen, observed, ended, forgotten].into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }

    fn counters(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut rows = Rows::of(KEEP_COUNTER, 3);
        let (statuses, types) = (&engine.counters().by_status, &engine.counters().by_type);
        for status in &changes.statuses {
            let count = statuses.get(status).copied().unwrap_or(0);
            rows.push([word("status"), word(status.as_str()), integer(count)?]);
        }
        let mut dropped = Rows::of(DROP_COUNTER, 2);
        for name in &changes.types {
            match types.get(name) {
                Some(count) => rows.push([word("type"), word(name.as_str()), integer(*count)?]),
                None => dropped.push([word("type"), word(name.as_str())]),
            }
        }
        for host in changes.attempts_ended.iter().filter_map(|id| engine.hosts().get(id)) {
            rows.push([word("attempts_ended"), word(host.id.as_str()), integer(host.attempts_ended)?]);
        }
        [rows, dropped].into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }

    fn events(&mut self, changes: &Changes) -> Result<(), SqlError> {
        let mut rows = Rows::of(APPEND_EVENT, 8);
        for event in &changes.events {
            rows.push([
                integer(event.seq.0)?,
                word(event.kind.as_str()),
                event.timestamp.as_micros().into(),
                event.task_id.map(|id| bytes(id.as_uuid())).into(),
                event.stack_id.as_ref().map(|stack| stack.as_str().to_owned()).into(),
                event.agent_id.as_ref().map(|agent| agent.as_str().to_owned()).into(),
                word(&event.actor),
                text(&event.data)?,
            ]);
        }
        self.add(rows);
        Ok(())
    }

    fn epoch(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut row = Rows::of(KEEP_EPOCH, 3);
        if changes.epoch {
            let epoch = engine.epoch();
            let restored = epoch.restored.as_ref().map(text).transpose()?.unwrap_or(Value::Null);
            row.push([integer(epoch.number)?, integer(epoch.base)?, restored]);
        }
        self.add(row);
        Ok(())
    }

    fn gone(&mut self, engine: &Engine, gone: &Gone) -> Result<(), SqlError> {
        self.prunes = !gone.is_empty();
        let (mut tasks, mut specs, mut attempts) =
            (Rows::of(DROP_TASK, 1), Rows::of(DROP_SPEC, 1), Rows::of(DROP_ATTEMPTS, 1));
        let mut unreadable = Rows::of(DROP_UNREADABLE, 1);
        let (mut edges, mut keys) = (Rows::of(DROP_DEPENDENCY, 2), Rows::of(DROP_KEY, 1));
        let (mut all_edges, mut all_keys) = (Rows::of(DROP_DEPENDENCIES, 1), Rows::of(DROP_KEYS, 1));
        let (mut listed, mut events) = (Rows::of(DROP_LISTING, 3), Rows::of(DROP_EVENTS, 1));
        for (task, number) in &gone.tasks {
            for rows in [&mut tasks, &mut specs, &mut attempts, &mut unreadable] {
                rows.push([integer(*number)?]);
            }
            if task.unreadable.is_some() {
                [&mut all_edges, &mut all_keys]
                    .into_iter()
                    .for_each(|rows| rows.push([bytes(task.id().as_uuid()).into()]));
            }
            for dependency in &task.spec.depends_on {
                edges.push([bytes(dependency.as_uuid()).into(), bytes(task.id().as_uuid()).into()]);
            }
            keys.values.extend(task.spec.idempotency_key.as_ref().map(|key| word(key.as_str())));
            for (field, value) in FIELDS.into_iter().zip(listed_values(task)) {
                if let Some(value) = value {
                    listed.push([word(field), word(value), integer(*number)?]);
                }
            }
        }
        for number in &gone.attempts {
            attempts.push([integer(*number)?]);
        }
        if let Some(seq) = gone.events {
            events.push([integer(seq.0)?]);
        }
        let mut mark = Rows::of(KEEP_COUNTER, 3);
        if self.prunes {
            let Mark { settled_at, number } = engine.attempts_mark();
            mark.push([word("attempts_pruned"), word("settled_at"), settled_at.as_micros().into()]);
            mark.push([word("attempts_pruned"), word("number"), integer(number)?]);
        }
        let dropped = [tasks, specs, attempts, unreadable, edges, keys, all_edges, all_keys, listed, events, mark];
        dropped.into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }
}

/// What a task is listed under, in the order of [`FIELDS`].
fn listed_values(task: &Task) -> [Option<&str>; 4] {
    let placed = task.spec.placed.as_ref();
    let container = placed.and_then(|placed| placed.container.as_ref());
    [
        container.map(|container| container.as_str()),
        placed.map(|placed| placed.stack.as_str()),
        Some(task.agent().as_str()),
        Some(task.spec.task_type.as_str()),
    ]
}

fn new_task(entry: &Entry) -> Result<[Value; 15], SqlError> {
    let Entry { task, number, .. } = entry;
    let [container, stack, agent, task_type] = listed_values(task).map(|value| value.map(str::to_owned).into());
    Ok([
        integer(*number)?,
        bytes(task.id().as_uuid()).into(),
        agent,
        task_type,
        stack,
        container,
        word(task.status().as_str()),
        ByOrder::of(task).0.into(),
        task.ready_at.as_micros().into(),
        task.created_at.as_micros().into(),
        task.state.settled_at().map(|at| at.as_micros()).into(),
        integer(task.attempt.0)?,
        task.retry_count.into(),
        task.claim_id.map(|id| bytes(id.as_uuid())).into(),
        text(&task.state)?,
    ])
}
