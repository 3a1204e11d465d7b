//! Questions that do not go through the writer.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::error::SqlError;
use super::list::List;
use super::load::{self, all, signed, task};
use super::readers::Readers;
use super::record_cache::Recall;
use super::rows::{self, ATTEMPT_COLUMNS, EVENT_COLUMNS, RECORD_COLUMNS, count};
use crate::event::Event;
use crate::id::{Seq, TaskId};
use crate::store::engine::{AttemptEntry, not_found};
use crate::store::page::{ByName, ByNumber, ByOrder, MAX_EXAMINED, no_place};
use crate::store::{
    EventFilter, MAX_PAGE, Page, PageRequest, Record, RecordKey, RecordKind, StoreError, TaskFilter, TaskHistory,
};
use crate::task::Task;

/// A question that is put together.
#[derive(Debug)]
pub(super) struct Question {
    text: String,
    values: Vec<Value>,
}

impl Question {
    pub(super) fn new(text: String) -> Self {
        Self { text, values: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds text with a place for each value.
    pub(super) fn bind(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    /// Adds a condition, if there is a value for it.
    pub(super) fn bind_if(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.bind(condition, [value]);
        }
    }

    pub(super) fn ask<T>(
        &self,
        connection: &Connection,
        read: impl Fn(&rusqlite::Row<'_>) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        all(connection, &self.text, params_from_iter(&self.values), read)
    }
}

impl Readers {
    pub(super) async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        let found = self.read(move |connection| task(connection, id)).await?;
        found.map(|(task, _)| task).ok_or_else(|| not_found(id))
    }

    pub(super) async fn tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>, StoreError> {
        let list = List::of(filter.clone(), page)?;
        let (limit, in_claim_order) = (page.limit, filter.claim_order);
        let found = self.read(move |connection| list.read(connection)).await?;
        let last = if found.len() > limit { found.get(limit - 1) } else { None };
        let next = last.map(
            |(task, number)| {
                if in_claim_order { ByOrder::of(task).cursor() } else { ByNumber(*number).cursor() }
            },
        );
        Ok(Page { items: found.into_iter().take(limit).map(|(task, _)| task).collect(), next })
    }

    pub(super) async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError> {
        let found = self.read(move |connection| {
            let Some((task, number)) = task(connection, id)? else { return Ok(None) };
            let attempts = format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE task = ? ORDER BY attempt");
            let attempts = all(connection, &attempts, [signed(number)], |row| rows::attempt(id, row))?;
            let in_progress = AttemptEntry::in_progress(&task);
            let attempts = attempts.into_iter().chain(in_progress).map(|entry| entry.record).collect();
            let events = format!("SELECT {EVENT_COLUMNS} FROM event WHERE task = ? ORDER BY seq DESC LIMIT ?");
            let key = params![rows::key(id), signed(MAX_PAGE as u64)];
            let mut events = all(connection, &events, key, rows::event)?;
            events.reverse();
            Ok(Some(TaskHistory { attempts, events }))
        });
        found.await?.ok_or_else(|| not_found(id))
    }

    pub(super) async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let asked = match self.cache().recall(key) {
            Recall::Known(record) => return Ok(Some(record)),
            Recall::Unknown(asked) => asked,
        };
        let key = key.clone();
        let found = self.read(move |connection| load::record(connection, &key)).await?;
        if let Some(Record { key, unreadable: Some(why), .. }) = found {
            return Err(SqlError::corrupt(format!("record {key}"), why).into());
        }
        if let Some(record) = &found {
            self.cache().remember(asked, record);
        }
        Ok(found)
    }

    pub(super) async fn records(
        &self,
        kind: RecordKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Record>, StoreError> {
        let mut question = Question::new(format!("SELECT {RECORD_COLUMNS} FROM record"));
        question.bind(" WHERE kind = ?", [kind.as_str().to_owned().into()]);
        question
            .bind(" AND name >= ? AND name < ?", [prefix.to_owned().into(), format!("{prefix}{}", char::MAX).into()]);
        if let Some(ByName(after)) = ByName::after(page)? {
            question.bind(" AND name > ?", [after.into()]);
        }
        question.bind(" ORDER BY name LIMIT ?", [more_than(page.limit)]);
        let mut items = self.read(move |connection| question.ask(connection, rows::record)).await?;
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = items.last().filter(|_| more).map(|record| ByName(record.key.name.clone()).cursor());
        Ok(Page { items, next })
    }

    /// Looks at a bounded stretch of the log, which a filter cannot make longer.
    pub(super) async fn events(
        &self,
        after: Seq,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<(Vec<Event>, Seq), StoreError> {
        let filter = filter.clone();
        let (events, end) = self
            .read(move |connection| {
                let Some(end) = end_of_stretch(connection, after)? else { return Ok(Err(place_of(connection)?)) };
                let question = stretch_of_log(after, end, &filter, limit)?;
                Ok(Ok((question.ask(connection, rows::event)?, end)))
            })
            .await?
            .map_err(|(oldest, head)| no_place(after, oldest, head))?;
        let full = events.len() == limit;
        let examined = events.last().filter(|_| full).map_or(Seq(end), |event| event.seq);
        Ok((events, if limit == 0 { after } else { examined }))
    }
}

/// Where one look at the log after this number ends; none when the log does not go on there.
fn end_of_stretch(connection: &Connection, after: Seq) -> Result<Option<u64>, SqlError> {
    let (place, next) = (signed(after.0), signed(after.0).saturating_add(1));
    let question = "
        SELECT ?1 = 0 OR EXISTS (SELECT 1 FROM event WHERE seq = ?1) OR EXISTS (SELECT 1 FROM event WHERE seq = ?2) AS goes_on,
               (SELECT min(seq) FROM event WHERE seq > ?1) AS first";
    let (goes_on, first) = connection
        .prepare_cached(question)?
        .query_row([place, next], |row| Ok((row.get::<_, bool>("goes_on")?, row.get::<_, Option<i64>>("first")?)))?;
    let Some(first) = first.filter(|_| goes_on) else { return Ok(goes_on.then_some(after.0)) };
    let last = first.saturating_add(signed(MAX_EXAMINED) - 1);
    let question = "SELECT max(seq) FROM event WHERE seq <= ?";
    let end = connection.prepare_cached(question)?.query_row([last], |row| row.get(0))?;
    Ok(Some(count("event", end)?))
}

/// The oldest and the newest event that are kept.
fn place_of(connection: &Connection) -> Result<(Seq, Seq), SqlError> {
    let question = "SELECT (SELECT coalesce(min(seq), 1) FROM event), (SELECT coalesce(max(seq), 0) FROM event)";
    let (oldest, head) = connection.query_row(question, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((Seq(count("event", oldest)?), Seq(count("event", head)?)))
}

fn stretch_of_log(after: Seq, end: u64, filter: &EventFilter, limit: usize) -> Result<Question, SqlError> {
    let mut question = Question::new(format!("SELECT {EVENT_COLUMNS} FROM event"));
    question.bind(" WHERE seq > ? AND seq <= ?", [signed(after.0).into(), signed(end).into()]);
    if !filter.kinds.is_empty() {
        let kinds = serde_json::to_string(&filter.kinds).map_err(|e| SqlError::corrupt("a filter", e))?;
        question.bind(" AND type IN (SELECT value FROM json_each(?))", [kinds.into()]);
    }
    // The plus keeps the stretch of the log as the way in.
    question.bind_if(" AND +task = ?", filter.task.map(|id| rows::key(id).to_vec().into()));
    if filter.of_stacks {
        question.push(" AND stack IS NOT NULL");
    }
    question.bind_if(" AND stack = ?", filter.stack.as_ref().map(|stack| stack.as_str().to_owned().into()));
    question.bind_if(" AND agent = ?", filter.agent.as_ref().map(|agent| agent.as_str().to_owned().into()));
    question.bind(" ORDER BY seq LIMIT ?", [signed(limit as u64).into()]);
    Ok(question)
}

fn more_than(limit: usize) -> Value {
    signed(limit as u64).saturating_add(1).into()
}
