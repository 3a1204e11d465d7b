//! The list of tasks, narrowed and page by page.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::error::SqlError;
use super::listing::{FIELDS, listed_to};
use super::load::signed;
use super::read::Question;
use super::rows::{self, TASK_COLUMNS, WITH_SPEC};
use crate::store::page::{ByNumber, ByOrder};
use crate::store::{PageRequest, StoreError, TaskFilter};
use crate::task::{Task, TaskStatus};

/// A page of tasks to be read, with one more than asked for, which tells whether another page follows.
#[derive(Debug)]
pub(super) struct List {
    filter: TaskFilter,
    before: Option<u64>,
    after: Option<ByOrder>,
    limit: usize,
}

impl List {
    /// Refuses a cursor of another list.
    pub(super) fn of(filter: TaskFilter, page: &PageRequest) -> Result<Self, StoreError> {
        let (before, after) = if filter.claim_order {
            (None, ByOrder::after(page)?)
        } else {
            (ByNumber::after(page)?.map(|ByNumber(number)| number), None)
        };
        Ok(Self { filter, before, after, limit: page.limit.saturating_add(1) })
    }

    pub(super) fn read(&self, connection: &Connection) -> Result<Vec<(Task, u64)>, SqlError> {
        if !self.filter.ids.is_empty() {
            return self.named()?.ask(connection, rows::task);
        }
        let Some(wanted) = self.listed_field() else { return self.unlisted().ask(connection, rows::task) };
        let listed = listed_to(connection, wanted.0)?;
        let mut found = self.not_yet_listed(listed).ask(connection, rows::task)?;
        if found.len() < self.limit {
            let rest = self.limit - found.len();
            found.extend(self.listed(wanted, listed, rest).ask(connection, rows::task)?);
        }
        Ok(found)
    }

    /// The questions that it may ask.
    #[cfg(test)]
    pub(super) fn questions(&self) -> Vec<Question> {
        match self.listed_field() {
            Some(field) => vec![self.not_yet_listed(0), self.listed(field, 0, 1)],
            None => vec![self.unlisted()],
        }
    }

    /// What of each field is wanted, in the order of [`FIELDS`].
    fn wanted(&self) -> [Option<&str>; 4] {
        let filter = &self.filter;
        [
            filter.container.as_ref().map(|container| container.as_str()),
            filter.stack.as_ref().map(|stack| stack.as_str()),
            filter.agent.as_ref().map(|agent| agent.as_str()),
            filter.task_type.as_ref().map(|name| name.as_str()),
        ]
    }

    /// The field by whose index the list is found. What is open is found among what is open.
    fn listed_field(&self) -> Option<(&'static str, &str)> {
        if self.filter.claim_order || self.is_open() {
            return None;
        }
        FIELDS.into_iter().zip(self.wanted()).find_map(|(field, wanted)| Some((field, wanted?)))
    }

    fn is_open(&self) -> bool {
        let statuses = &self.filter.statuses;
        !statuses.is_empty() && statuses.iter().all(|status| !status.is_settled())
    }

    /// The tasks that the filter names, each found by its id.
    pub(super) fn named(&self) -> Result<Question, SqlError> {
        let ids: Vec<_> = self.filter.ids.iter().map(|id| id.as_uuid().simple().to_string()).collect();
        let ids = serde_json::to_string(&ids).map_err(|error| SqlError::corrupt("a filter", error))?;
        let mut question = Question::new(format!("SELECT {TASK_COLUMNS} FROM json_each("));
        question.bind("?) AS wanted CROSS JOIN task ON task.id = unhex(wanted.value) ", [ids.into()]);
        question.push(&format!("{WITH_SPEC} WHERE true"));
        self.narrow(&mut question);
        self.in_order(&mut question);
        Ok(question)
    }

    fn unlisted(&self) -> Question {
        // Without a name SQLite may go through all of history for the few that are wanted.
        let way_in = match self.filter.statuses.as_slice() {
            _ if self.filter.claim_order || self.is_open() => " INDEXED BY task_open",
            [TaskStatus::Failed] => " INDEXED BY task_failed",
            [TaskStatus::Cancelled] => " INDEXED BY task_cancelled",
            _ => "",
        };
        let mut question = Question::new(format!("SELECT {TASK_COLUMNS} FROM task{way_in} {WITH_SPEC} WHERE true"));
        self.narrow(&mut question);
        self.in_order(&mut question);
        question
    }

    fn in_order(&self, question: &mut Question) {
        if self.filter.claim_order {
            if let Some(ByOrder(order_at, id)) = self.after {
                let place = [order_at.into(), rows::key(id).to_vec().into()];
                question.bind(" AND (task.order_at, task.id) > (?, ?)", place);
            }
            question.push(" ORDER BY task.order_at, task.id");
            question.bind(" LIMIT ?", [signed(self.limit as u64).into()]);
        } else {
            self.newest_first(question, self.limit);
        }
    }

    fn not_yet_listed(&self, listed: u64) -> Question {
        let mut question = Question::new(format!("SELECT {TASK_COLUMNS} FROM task {WITH_SPEC}"));
        question.bind(" WHERE task.number > ?", [signed(listed).into()]);
        self.narrow(&mut question);
        self.newest_first(&mut question, self.limit);
        question
    }

    fn listed(&self, (field, value): (&str, &str), listed: u64, limit: usize) -> Question {
        let mut question = Question::new(format!(
            "SELECT {TASK_COLUMNS} FROM listing CROSS JOIN task ON task.number = listing.number {WITH_SPEC}"
        ));
        let values = [field.to_owned().into(), value.to_owned().into(), signed(listed).into()];
        question.bind(" WHERE listing.field = ? AND listing.value = ? AND listing.number <= ?", values);
        self.narrow(&mut question);
        question.bind_if(" AND listing.number < ?", self.before.map(|number| signed(number).into()));
        question.bind(" ORDER BY listing.number DESC LIMIT ?", [signed(limit as u64).into()]);
        question
    }

    fn newest_first(&self, question: &mut Question, limit: usize) {
        question.bind_if(" AND task.number < ?", self.before.map(|number| signed(number).into()));
        question.bind(" ORDER BY task.number DESC LIMIT ?", [signed(limit as u64).into()]);
    }

    fn narrow(&self, question: &mut Question) {
        // The words stand in the text, so that SQLite sees which index has just these.
        let words: Vec<_> = self.filter.statuses.iter().map(|status| format!("'{status}'")).collect();
        match words.as_slice() {
            [] => {}
            [one] => question.push(&format!(" AND task.status = {one}")),
            several => question.push(&format!(" AND task.status IN ({})", several.join(", "))),
        }
        if self.filter.claim_order || self.is_open() {
            question.push(" AND task.settled_at IS NULL");
        }
        for (field, wanted) in FIELDS.into_iter().zip(self.wanted()) {
            let wanted: Option<Value> = wanted.map(|wanted| wanted.to_owned().into());
            question.bind_if(&format!(" AND task.{field} = ?"), wanted);
        }
        let since = self.filter.since.map(|since| since.as_micros().into());
        question.bind_if(" AND task.created_at >= ?", since);
    }
}
