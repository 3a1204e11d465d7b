//! Questions to a database, and where they are put.

use std::future::Future;

use super::batch::Value;
use super::error::SqlError;
use super::rows::Row;

/// What stands behind a store that is asked: one state of its database, however many questions are put.
///
/// Questions are in the words that both databases share; for the few that are not the same there are words of each.
pub(super) trait Ask {
    const WORDS: Words;

    /// Every row that a question finds, in its order.
    fn ask<T>(
        &self,
        question: &Question,
        read: impl Fn(&dyn Row) -> Result<T, SqlError>,
    ) -> impl Future<Output = Result<Vec<T>, SqlError>>;
}

/// The words that are not the same in both databases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// Names the index by which the open tasks are found, where a planner would go through all of history for them.
    pub(super) by_open: &'static str,
    /// The same for failed, cancelled and settled tasks.
    pub(super) by_failed: &'static str,
    pub(super) by_cancelled: &'static str,
    pub(super) by_settled: &'static str,
    /// The ids in a JSON list of them, as a table `wanted (id)`.
    pub(super) ids: &'static str,
    /// The words in a JSON list of them, as a table `wanted (word)`.
    pub(super) words: &'static str,
    /// The column `event.task`, without its index.
    pub(super) task_of_event: &'static str,
}

/// A question that is put together. Its values stand at the question marks in its text, a number behind a mark names the
/// value.
#[derive(Debug, Clone)]
pub(super) struct Question {
    text: String,
    values: Vec<Value>,
}

impl Question {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds text with a place for each value.
    pub(super) fn bind(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    /// The same question with these values.
    pub(super) fn with(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.values.extend(values);
        self
    }

    /// Adds a condition, if there is a value for it.
    pub(super) fn bind_if(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.bind(condition, [value]);
        }
    }
}
