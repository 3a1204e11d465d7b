//! Questions that do not go through the writer.

use super::ask::{Ask, Question, Words};
use super::batch::Value;
use super::error::SqlError;
use super::list::List;
use super::load;
use super::rows::{self, ATTEMPT_COLUMNS, EVENT_COLUMNS, RECORD_COLUMNS, count, signed};
use crate::event::Event;
use crate::id::{Seq, TaskId};
use crate::store::engine::{AttemptEntry, not_found};
use crate::store::page::{ByName, ByNumber, ByOrder, MAX_EXAMINED, no_place};
use crate::store::{
    EventFilter, MAX_PAGE, Page, PageRequest, Record, RecordKey, RecordKind, StoreError, TaskFilter, TaskHistory,
};
use crate::task::Task;

/// One task.
pub(super) async fn task(ask: &impl Ask, id: TaskId) -> Result<Task, StoreError> {
    let found = load::task(ask, id).await?;
    found.map(|(task, _)| task).ok_or_else(|| not_found(id))
}

/// A page of tasks.
pub(super) async fn tasks(ask: &impl Ask, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>, StoreError> {
    let (limit, in_claim_order) = (page.limit, filter.claim_order);
    let found = List::of(filter, &page)?.read(ask).await?;
    let last = if found.len() > limit { found.get(limit - 1) } else { None };
    let next =
        last.map(|(task, number)| if in_claim_order { ByOrder::of(task).cursor() } else { ByNumber(*number).cursor() });
    Ok(Page { items: found.into_iter().take(limit).map(|(task, _)| task).collect(), next })
}

/// Every attempt of a task, and its newest events.
pub(super) async fn history(ask: &impl Ask, id: TaskId) -> Result<TaskHistory, StoreError> {
    let (task, number) = load::task(ask, id).await?.ok_or_else(|| not_found(id))?;
    let attempts = Question::new(format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE task = ? ORDER BY attempt"));
    let attempts = ask.ask(&attempts.with([signed(number).into()]), |row| rows::attempt(id, row)).await?;
    let in_progress = AttemptEntry::in_progress(&task);
    let attempts = attempts.into_iter().chain(in_progress).map(|entry| entry.record).collect();
    let events = Question::new(format!("SELECT {EVENT_COLUMNS} FROM event WHERE task = ? ORDER BY seq DESC LIMIT ?"));
    let events = events.with([id.as_uuid().into(), signed(MAX_PAGE as u64).into()]);
    let mut events = ask.ask(&events, rows::event).await?;
    events.reverse();
    Ok(TaskHistory { attempts, events })
}

/// One record, if there is one.
pub(super) async fn record(ask: &impl Ask, key: &RecordKey) -> Result<Option<Record>, StoreError> {
    let found = load::record(ask, key).await?;
    if let Some(Record { key, unreadable: Some(why), .. }) = found {
        return Err(SqlError::corrupt(format!("record {key}"), why).into());
    }
    Ok(found)
}

/// A page of records.
pub(super) async fn records(
    ask: &impl Ask,
    kind: RecordKind,
    prefix: &str,
    page: &PageRequest,
) -> Result<Page<Record>, StoreError> {
    let mut question = Question::new(format!("SELECT {RECORD_COLUMNS} FROM record"));
    question.bind(" WHERE kind = ?", [Value::Text(kind.as_str().to_owned())]);
    let end = format!("{prefix}{}", char::MAX);
    question.bind(" AND name >= ? AND name < ?", [Value::Text(prefix.to_owned()), Value::Text(end)]);
    if let Some(ByName(after)) = ByName::after(page)? {
        question.bind(" AND name > ?", [Value::Text(after)]);
    }
    question.bind(" ORDER BY name LIMIT ?", [more_than(page.limit)]);
    let mut items = ask.ask(&question, rows::record).await?;
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|record| ByName(record.key.name.clone()).cursor());
    Ok(Page { items, next })
}

/// Looks at a bounded stretch of the log, which a filter cannot make longer.
pub(super) async fn events<A: Ask>(
    ask: &A,
    after: Seq,
    filter: &EventFilter,
    limit: usize,
) -> Result<(Vec<Event>, Seq), StoreError> {
    let Some(end) = end_of_stretch(ask, after).await? else {
        let (oldest, head) = place_of(ask).await?;
        return Err(no_place(after, oldest, head));
    };
    let events = ask.ask(&stretch_of_log(&A::WORDS, after, end, filter, limit)?, rows::event).await?;
    let full = events.len() == limit;
    let examined = events.last().filter(|_| full).map_or(Seq(end), |event| event.seq);
    Ok((events, if limit == 0 { after } else { examined }))
}

/// Where one look at the log after this number ends; none when the log does not go on there.
async fn end_of_stretch(ask: &impl Ask, after: Seq) -> Result<Option<u64>, SqlError> {
    let (place, next) = (signed(after.0), signed(after.0).saturating_add(1));
    let question = "
        SELECT CASE WHEN EXISTS (SELECT 1 FROM event WHERE seq = ?1) OR EXISTS (SELECT 1 FROM event WHERE seq = ?2)
                    THEN 1 ELSE 0 END AS goes_on,
               (SELECT min(seq) FROM event WHERE seq > ?1) AS first";
    let question = Question::new(question).with([place.into(), next.into()]);
    let look = ask.ask(&question, |row| Ok((row.integer("goes_on")? == 1, row.optional_integer("first")?))).await?;
    let (goes_on, first) = look.into_iter().next().unwrap_or_default();
    let goes_on = goes_on || after == Seq(0);
    let Some(first) = first.filter(|_| goes_on) else { return Ok(goes_on.then_some(after.0)) };
    let last = first.saturating_add(signed(MAX_EXAMINED) - 1);
    let question = Question::new("SELECT coalesce(max(seq), 0) AS seq FROM event WHERE seq <= ?").with([last.into()]);
    let end = ask.ask(&question, |row| count("event", row.integer("seq")?)).await?;
    Ok(Some(end.into_iter().next().unwrap_or(after.0)))
}

/// The oldest and the newest event that are kept.
async fn place_of(ask: &impl Ask) -> Result<(Seq, Seq), SqlError> {
    let question = "SELECT coalesce(min(seq), 1) AS oldest, coalesce(max(seq), 0) AS head FROM event";
    let place = ask.ask(&Question::new(question), |row| Ok((row.integer("oldest")?, row.integer("head")?))).await?;
    let (oldest, head) = place.into_iter().next().unwrap_or((1, 0));
    Ok((Seq(count("event", oldest)?), Seq(count("event", head)?)))
}

fn stretch_of_log(
    words: &Words,
    after: Seq,
    end: u64,
    filter: &EventFilter,
    limit: usize,
) -> Result<Question, SqlError> {
    let mut question = Question::new(format!("SELECT {EVENT_COLUMNS} FROM event"));
    question.bind(" WHERE seq > ? AND seq <= ?", [signed(after.0).into(), signed(end).into()]);
    if !filter.kinds.is_empty() {
        let kinds = serde_json::to_string(&filter.kinds).map_err(|e| SqlError::corrupt("a filter", e))?;
        question.push(" AND type IN (SELECT word FROM ");
        question.bind(words.words, [Value::Text(kinds)]);
        question.push(")");
    }
    // The stretch of the log is the way in.
    let task = format!(" AND {} = ?", words.task_of_event);
    question.bind_if(&task, filter.task.map(|id| id.as_uuid().into()));
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
