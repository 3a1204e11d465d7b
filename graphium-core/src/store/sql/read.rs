//! Questions that do not go through the writer. Each is one short read, so that no reader holds the log back.

use std::future::Future;
use std::time::Duration;

use sqlx::{QueryBuilder, Sqlite, SqlitePool};
use tokio::time::timeout;

use super::error::SqlError;
use super::rows::{self, TASK_COLUMNS, count};
use crate::event::Event;
use crate::id::{Seq, TaskId};
use crate::store::engine::not_found;
use crate::store::page::{ByName, ByNumber, ByOrder, MAX_EXAMINED};
use crate::store::{
    EventFilter, Host, MAX_PAGE, Page, PageRequest, Record, RecordKey, RecordKind, StoreError, TaskFilter, TaskHistory,
};
use crate::task::Task;

/// How long a read may take.
pub(super) const MAX_READ: Duration = Duration::from_secs(5);

const EVENT_COLUMNS: &str = "seq, type, at, task, stack, agent, actor, data";

/// The readers.
#[derive(Debug, Clone)]
pub(super) struct Readers(pub(super) SqlitePool);

async fn capped<T>(read: impl Future<Output = Result<T, SqlError>> + Send) -> Result<T, StoreError> {
    Ok(timeout(MAX_READ, read).await.unwrap_or(Err(SqlError::Slow))?)
}

impl Readers {
    pub(super) async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(TASK_COLUMNS).push(" FROM task WHERE id = ").push_bind(id.to_string());
        let row = capped(async { Ok(query.build().fetch_optional(&self.0).await?) }).await?;
        let (task, _) = rows::task(&row.ok_or_else(|| not_found(id))?)?;
        Ok(task)
    }

    pub(super) async fn tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(TASK_COLUMNS).push(" FROM task WHERE true");
        narrow(&mut query, filter)?;
        if filter.claim_order {
            query.push(" AND settled_at IS NULL");
            if let Some(ByOrder(order_at, id)) = ByOrder::after(page)? {
                query
                    .push(" AND (order_at, id) > (")
                    .push_bind(order_at)
                    .push(", ")
                    .push_bind(id.to_string())
                    .push(")");
            }
            query.push(" ORDER BY order_at, id");
        } else {
            if let Some(ByNumber(number)) = ByNumber::after(page)? {
                query.push(" AND number < ").push_bind(signed(number));
            }
            query.push(" ORDER BY number DESC");
        }
        query.push(" LIMIT ").push_bind(more_than(page.limit));
        let rows = capped(async { Ok(query.build().fetch_all(&self.0).await?) }).await?;

        let found = rows.iter().map(rows::task).collect::<Result<Vec<_>, _>>()?;
        let last = if found.len() > page.limit { found.get(page.limit - 1) } else { None };
        let next = last.map(
            |(task, number)| {
                if filter.claim_order { ByOrder::of(task).cursor() } else { ByNumber(*number).cursor() }
            },
        );
        Ok(Page { items: found.into_iter().take(page.limit).map(|(task, _)| task).collect(), next })
    }

    pub(super) async fn history(&self, id: TaskId) -> Result<TaskHistory, StoreError> {
        self.task(id).await?;
        let attempts = "SELECT task, record, report FROM attempt WHERE task = ?1 ORDER BY attempt";
        let attempts = sqlx::query(attempts).bind(id.to_string());
        let attempts = capped(async { Ok(attempts.fetch_all(&self.0).await?) }).await?;
        let mut events = QueryBuilder::<Sqlite>::new("SELECT ");
        events.push(EVENT_COLUMNS).push(" FROM event WHERE task = ").push_bind(id.to_string());
        events.push(" ORDER BY seq DESC LIMIT ").push_bind(signed(MAX_PAGE as u64));
        let events = capped(async { Ok(events.build().fetch_all(&self.0).await?) }).await?;
        Ok(TaskHistory {
            attempts: attempts.iter().map(|row| Ok(rows::attempt(row)?.record)).collect::<Result<_, SqlError>>()?,
            events: events.iter().rev().map(rows::event).collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let question = "SELECT kind, name, version, body, updated_at FROM record WHERE kind = ?1 AND name = ?2";
        let query = sqlx::query(question).bind(key.kind.as_str()).bind(&key.name);
        let row = capped(async { Ok(query.fetch_optional(&self.0).await?) }).await?;
        Ok(row.as_ref().map(rows::record).transpose()?)
    }

    pub(super) async fn records(
        &self,
        kind: RecordKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Record>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT kind, name, version, body, updated_at FROM record");
        query.push(" WHERE kind = ").push_bind(kind.as_str());
        query.push(" AND name >= ").push_bind(prefix);
        query.push(" AND name < ").push_bind(format!("{prefix}{}", char::MAX));
        if let Some(ByName(after)) = ByName::after(page)? {
            query.push(" AND name > ").push_bind(after);
        }
        query.push(" ORDER BY name LIMIT ").push_bind(more_than(page.limit));
        let rows = capped(async { Ok(query.build().fetch_all(&self.0).await?) }).await?;

        let mut items = rows.iter().map(rows::record).collect::<Result<Vec<_>, _>>()?;
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
        let head = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM event");
        let head: i64 = capped(async { Ok(head.fetch_one(&self.0).await?) }).await?;
        let end = count("event", head)?.min(after.0.saturating_add(MAX_EXAMINED)).max(after.0);

        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(EVENT_COLUMNS).push(" FROM event WHERE seq > ").push_bind(signed(after.0));
        query.push(" AND seq <= ").push_bind(signed(end));
        if !filter.kinds.is_empty() {
            let kinds = serde_json::to_string(&filter.kinds).map_err(|e| SqlError::corrupt("a filter", e))?;
            query.push(" AND type IN (SELECT value FROM json_each(").push_bind(kinds).push("))");
        }
        // The plus keeps the stretch of the log as the way in.
        let about = [
            (" AND +task = ", filter.task.map(|id| id.to_string())),
            (" AND stack = ", filter.stack.as_ref().map(ToString::to_string)),
            (" AND agent = ", filter.agent.as_ref().map(ToString::to_string)),
        ];
        for (condition, value) in about {
            if let Some(value) = value {
                query.push(condition).push_bind(value);
            }
        }
        query.push(" ORDER BY seq LIMIT ").push_bind(signed(limit as u64));
        let rows = capped(async { Ok(query.build().fetch_all(&self.0).await?) }).await?;
        let events = rows.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
        let full = events.len() == limit;
        let examined = events.last().filter(|_| full).map_or(Seq(end), |event| event.seq);
        Ok((events, if limit == 0 { after } else { examined }))
    }

    pub(super) async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        let query = sqlx::query(rows::HOSTS);
        let rows = capped(async { Ok(query.fetch_all(&self.0).await?) }).await?;
        Ok(rows.iter().map(rows::host).collect::<Result<_, _>>()?)
    }
}

fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &TaskFilter) -> Result<(), SqlError> {
    if !filter.statuses.is_empty() {
        let statuses = serde_json::to_string(&filter.statuses).map_err(|e| SqlError::corrupt("a filter", e))?;
        query.push(" AND status IN (SELECT value FROM json_each(").push_bind(statuses).push("))");
    }
    let fields = [
        (" AND type = ", filter.task_type.as_ref().map(|name| name.as_str().to_owned())),
        (" AND stack = ", filter.stack.as_ref().map(ToString::to_string)),
        (" AND agent = ", filter.agent.as_ref().map(ToString::to_string)),
        (" AND container = ", filter.container.as_ref().map(ToString::to_string)),
    ];
    for (condition, value) in fields {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    if let Some(since) = filter.since {
        query.push(" AND created_at >= ").push_bind(since.as_micros());
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn more_than(limit: usize) -> i64 {
    signed(limit as u64).saturating_add(1)
}
