//! The list of tasks, narrowed and page by page.

use super::ask::{Ask, Question, Words};
use super::batch::Value;
use super::error::SqlError;
use super::listing;
use super::rows::{self, FIELDS, TASK_COLUMNS, WITH_SPEC, signed};
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

    pub(super) async fn read<A: Ask>(&self, ask: &A) -> Result<Vec<(Task, u64)>, SqlError> {
        if !self.filter.ids.is_empty() {
            return ask.ask(&self.named(&A::WORDS)?, rows::task).await;
        }
        let Some(wanted) = self.listed_field() else {
            return ask.ask(&self.unlisted(&A::WORDS), rows::task).await;
        };
        let listed = listing::listed_to(ask, wanted.0).await?;
        let mut found = ask.ask(&self.not_yet_listed(listed), rows::task).await?;
        if found.len() < self.limit {
            let rest = self.limit - found.len();
            found.extend(ask.ask(&self.listed(wanted, listed, rest), rows::task).await?);
        }
        Ok(found)
    }

    /// The questions that it may ask.
    #[cfg(test)]
    pub(super) fn questions(&self, words: &Words) -> Vec<Question> {
        match self.listed_field() {
            Some(field) => vec![self.not_yet_listed(0), self.listed(field, 0, 1)],
            None => vec![self.unlisted(words)],
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
    pub(super) fn named(&self, words: &Words) -> Result<Question, SqlError> {
        let ids: Vec<_> = self.filter.ids.iter().map(|id| id.as_uuid().to_string()).collect();
        let ids = serde_json::to_string(&ids).map_err(|error| SqlError::corrupt("a filter", error))?;
        let mut question = Question::new(format!("SELECT {TASK_COLUMNS} FROM "));
        question.bind(words.ids, [Value::Text(ids)]);
        question.push(&format!(" CROSS JOIN task {WITH_SPEC} WHERE task.id = wanted.id"));
        self.narrow(&mut question);
        self.in_order(&mut question);
        Ok(question)
    }

    fn unlisted(&self, words: &Words) -> Question {
        // Without a name SQLite may go through all of history for the few that are wanted.
        let way_in = match self.filter.statuses.as_slice() {
            _ if self.filter.claim_order || self.is_open() => words.by_open,
            [TaskStatus::Failed] => words.by_failed,
            [TaskStatus::Cancelled] => words.by_cancelled,
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
                let place = [order_at.into(), id.as_uuid().into()];
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
        let mut question = Question::new(format!("SELECT {TASK_COLUMNS} FROM listing CROSS JOIN task {WITH_SPEC}"));
        let values = [field.to_owned().into(), value.to_owned().into(), signed(listed).into()];
        question.bind(
            " WHERE task.number = listing.number AND listing.field = ? AND listing.value = ? AND listing.number <= ?",
            values,
        );
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
