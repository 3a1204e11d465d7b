//! What one commit keeps, as rows: made from the engine where it is, written where the database is.

mod statement;
mod value;

pub(super) use self::statement::Statement;
pub(super) use self::value::Value;
use self::value::{id, integer, micros, text, word};
use crate::clock::Timestamp;
use crate::store::engine::{Changes, Engine, Entry, Gone, Mark};
use crate::store::page::ByOrder;
use crate::store::sql::command::Answer;
use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::Opened;
use crate::store::sql::rows::{FIELDS, session_document};
use crate::task::Task;

/// The rows for one statement.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) statement: Statement,
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
    fn of(statement: Statement) -> Self {
        Self { statement, values: Vec::new() }
    }

    fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.statement.width(), "{:?}", self.statement);
        self.values.extend(row);
    }

    /// Each row, as the values of the statement in their order.
    pub(super) fn iter(&self) -> std::slice::ChunksExact<'_, Value> {
        self.values.chunks_exact(self.statement.width())
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
        let (mut taken, mut refused) = (Rows::of(Statement::TakeLetter), Rows::of(Statement::RefuseLetter));
        let keys = opened.taken.iter().chain(opened.refused.iter().map(|(letter, _)| &letter.key));
        keys.for_each(|key| taken.push([word(key)]));
        for (letter, error) in &opened.refused {
            refused.push([word(&letter.key), word(letter.json()), word(error), micros(now)]);
        }
        [taken, refused].into_iter().for_each(|rows| self.add(rows));
    }

    /// Adds the answers that other servers wait for.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "one server")
    )]
    pub(super) fn add_answers(&mut self, answers: &[Answer]) -> Result<(), SqlError> {
        #[cfg(feature = "postgres")]
        {
            let mut told = std::collections::BTreeMap::new();
            for answer in answers {
                if let Answer::Away { call, body } = answer {
                    let body = body.as_ref().map_err(|error| SqlError::corrupt("an answer", error.to_string()))?;
                    told.insert(call.id(), body);
                }
            }
            let mut rows = Rows::of(Statement::AnswerCall);
            told.into_iter().for_each(|(call, body)| rows.push([id(call), word(body)]));
            self.add(rows);
        }
        #[cfg(not(feature = "postgres"))]
        let _ = answers;
        Ok(())
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
        let mut unreadable = Rows::of(Statement::KeepUnreadable);
        for (id, why) in &changes.condemned {
            if let Some(entry) = engine.entry(*id) {
                unreadable.push([integer(entry.number)?, word(why), micros(engine.now())]);
            }
        }
        self.add(unreadable);
        let (mut created, mut specs) = (Rows::of(Statement::CreateTask), Rows::of(Statement::CreateSpec));
        for entry in changes.created.iter().filter_map(|id| engine.entry(*id)) {
            created.push(new_task(entry)?);
            specs.push([integer(entry.number)?, text(&entry.task.spec)?]);
        }
        let (mut held, mut changed) = (Rows::of(Statement::HoldTask), Rows::of(Statement::ChangeTask));
        for Entry { task, number, .. } in changes.changed.iter().filter_map(|id| engine.entry(*id)) {
            if !changes.moved.contains(&task.id()) {
                held.push([
                    integer(*number)?,
                    word(task.status().as_str()),
                    integer(task.attempt.0)?,
                    task.retry_count.into(),
                    task.claim_id.map(|claim| claim.as_uuid()).into(),
                    text(&task.state)?,
                ]);
                continue;
            }
            changed.push([
                integer(*number)?,
                word(task.status().as_str()),
                ByOrder::of(task).0.into(),
                micros(task.ready_at),
                task.state.settled_at().map(|at| at.as_micros()).into(),
                integer(task.attempt.0)?,
                task.retry_count.into(),
                task.claim_id.map(|claim| claim.as_uuid()).into(),
                text(&task.state)?,
            ]);
        }
        let mut edges = Rows::of(Statement::KeepDependency);
        for (dependency, dependant) in &changes.edges {
            edges.push([id(dependency.as_uuid()), id(dependant.as_uuid())]);
        }
        let mut keys = Rows::of(Statement::KeepKey);
        for (key, task) in &changes.keys {
            keys.push([word(key.as_str()), id(task.as_uuid())]);
        }
        [created, specs, held, changed, edges, keys].into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }

    fn attempts(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut rows = Rows::of(Statement::KeepAttempt);
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
        let (mut kept, mut dropped) = (Rows::of(Statement::KeepRecord), Rows::of(Statement::DropRecord));
        for key in &changes.records {
            let (kind, name) = (word(key.kind.as_str()), word(&key.name));
            match engine.records().get(key) {
                Some(record) => {
                    let (version, at) = (integer(record.version)?, micros(record.updated_at));
                    kept.push([kind, name, version, text(&record.body)?, at]);
                }
                None => dropped.push([kind, name]),
            }
        }
        let (mut newest, mut forgotten) = (Rows::of(Statement::KeepGeneration), Rows::of(Statement::DropGeneration));
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
        let mut seen = Rows::of(Statement::KeepHost);
        for host in changes.hosts.iter().filter_map(|id| engine.hosts().get(id)) {
            seen.push([word(host.id.as_str()), text(&session_document(host))?]);
        }
        let mut observed = Rows::of(Statement::KeepInventory);
        for host in changes.inventories.iter().filter_map(|id| engine.hosts().get(id)) {
            let engine = host.engine.as_ref().map(text).transpose()?.unwrap_or(Value::Null);
            observed.push([word(host.id.as_str()), engine, text(&host.instances)?]);
        }
        let (mut ended, mut forgotten) = (Rows::of(Statement::KeepEnded), Rows::of(Statement::DropEnded));
        for (agent, session) in &changes.ended {
            let (of, id) = (word(agent.as_str()), id(session.as_uuid()));
            match engine.ended().ended_at(agent, *session) {
                Some(at) => ended.push([of, id, integer(at.0)?]),
                None => forgotten.push([of, id]),
            }
        }
        [seen, observed, ended, forgotten].into_iter().for_each(|rows| self.add(rows));
        Ok(())
    }

    fn counters(&mut self, engine: &Engine, changes: &Changes) -> Result<(), SqlError> {
        let mut rows = Rows::of(Statement::KeepCounter);
        let (statuses, types) = (&engine.counters().by_status, &engine.counters().by_type);
        for status in &changes.statuses {
            let count = statuses.get(status).copied().unwrap_or(0);
            rows.push([word("status"), word(status.as_str()), integer(count)?]);
        }
        let mut dropped = Rows::of(Statement::DropCounter);
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
        let mut rows = Rows::of(Statement::AppendEvent);
        for event in &changes.events {
            rows.push([
                integer(event.seq.0)?,
                word(event.kind.as_str()),
                micros(event.timestamp),
                event.task_id.map(|task| task.as_uuid()).into(),
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
        let mut row = Rows::of(Statement::KeepEpoch);
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
            (Rows::of(Statement::DropTask), Rows::of(Statement::DropSpec), Rows::of(Statement::DropAttempts));
        let mut unreadable = Rows::of(Statement::DropUnreadable);
        let (mut edges, mut keys) = (Rows::of(Statement::DropDependency), Rows::of(Statement::DropKey));
        let (mut all_edges, mut all_keys) = (Rows::of(Statement::DropDependencies), Rows::of(Statement::DropKeys));
        let (mut listed, mut events) = (Rows::of(Statement::DropListing), Rows::of(Statement::DropEvents));
        for (task, number) in &gone.tasks {
            for rows in [&mut tasks, &mut specs, &mut attempts, &mut unreadable] {
                rows.push([integer(*number)?]);
            }
            if task.unreadable.is_some() {
                [&mut all_edges, &mut all_keys].into_iter().for_each(|rows| rows.push([id(task.id().as_uuid())]));
            }
            for dependency in &task.spec.depends_on {
                edges.push([id(dependency.as_uuid()), id(task.id().as_uuid())]);
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
        let mut mark = Rows::of(Statement::KeepCounter);
        if self.prunes {
            let Mark { settled_at, number } = engine.attempts_mark();
            mark.push([word("attempts_pruned"), word("settled_at"), micros(settled_at)]);
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

fn new_task(entry: &Entry) -> Result<[Value; 16], SqlError> {
    let Entry { task, number, .. } = entry;
    let [container, stack, agent, task_type] = listed_values(task).map(|value| value.map(str::to_owned).into());
    let generation = task.spec.placed.as_ref().map(|placed| integer(placed.generation.0)).transpose()?.into();
    Ok([
        integer(*number)?,
        id(task.id().as_uuid()),
        agent,
        task_type,
        stack,
        container,
        generation,
        word(task.status().as_str()),
        ByOrder::of(task).0.into(),
        micros(task.ready_at),
        micros(task.created_at),
        task.state.settled_at().map(|at| at.as_micros()).into(),
        integer(task.attempt.0)?,
        task.retry_count.into(),
        task.claim_id.map(|claim| claim.as_uuid()).into(),
        text(&task.state)?,
    ])
}
