//! Calls about tasks.

use graphium_core::id::TaskId;
use graphium_core::store::{Page, PageRequest, TaskFilter, TaskHistory, TaskStats};
use graphium_core::task::TaskView;

use super::builder::Client;
use super::error::ClientError;
use crate::wire::{MAX_TASK_IDS, SubmitTask};

/// The variables of a page in a query.
pub(super) fn page_query(page: PageRequest) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", page.limit.to_string())];
    query.extend(page.after.map(|cursor| ("cursor", cursor.0)));
    query
}

fn task_query(filter: TaskFilter, page: PageRequest) -> Vec<(&'static str, String)> {
    let mut query = page_query(page);
    if !filter.ids.is_empty() {
        let ids: Vec<_> = filter.ids.iter().map(ToString::to_string).collect();
        query.push(("id", ids.join(",")));
    }
    if !filter.statuses.is_empty() {
        let names: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
        query.push(("status", names.join(",")));
    }
    query.extend(filter.task_type.map(|value| ("type", value.to_string())));
    query.extend(filter.stack.map(|value| ("stackId", value.to_string())));
    query.extend(filter.agent.map(|value| ("agentId", value.to_string())));
    query.extend(filter.container.map(|value| ("containerId", value.to_string())));
    query.extend(filter.since.map(|value| ("since", value.to_string())));
    query
}

/// Each fails with a [`ClientError`] when the server is not reached or refuses.
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Submits a task.
    pub async fn submit(&self, task: &SubmitTask) -> Result<TaskView, ClientError> {
        self.post(&["tasks"], task).await
    }

    /// Submits tasks, all or nothing.
    pub async fn submit_all(&self, tasks: &[SubmitTask]) -> Result<Vec<TaskView>, ClientError> {
        self.post(&["tasks"], &tasks).await
    }

    /// One task.
    pub async fn task(&self, id: TaskId) -> Result<TaskView, ClientError> {
        self.get(&["tasks", &id.to_string()], &()).await
    }

    /// A page of tasks, newest first; of one agent in claim order where the filter says so. A filter names at most
    /// [`MAX_TASK_IDS`] tasks: ask for more in parts.
    pub async fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<TaskView>, ClientError> {
        if filter.ids.len() > MAX_TASK_IDS {
            let named = filter.ids.len();
            let message = format!("{named} tasks are too many for one call: ask in parts of at most {MAX_TASK_IDS}");
            return Err(ClientError::Unsent(message));
        }
        match filter.agent.clone().filter(|_| filter.claim_order) {
            Some(agent) => self.get(&["agents", agent.as_str(), "tasks"], &task_query(filter, page)).await,
            None => self.get(&["tasks"], &task_query(filter, page)).await,
        }
    }

    /// Every attempt of a task, and its events.
    pub async fn task_history(&self, id: TaskId) -> Result<TaskHistory, ClientError> {
        self.get(&["tasks", &id.to_string(), "history"], &()).await
    }

    /// The queue in numbers.
    pub async fn task_stats(&self) -> Result<TaskStats, ClientError> {
        self.get(&["tasks", "stats"], &()).await
    }

    /// Tries a failed or cancelled task again.
    pub async fn retry_task(&self, id: TaskId) -> Result<TaskView, ClientError> {
        self.post(&["tasks", &id.to_string(), "retry"], &serde_json::json!({})).await
    }

    /// Cancels a task.
    pub async fn cancel_task(&self, id: TaskId) -> Result<TaskView, ClientError> {
        self.post(&["tasks", &id.to_string(), "cancel"], &serde_json::json!({})).await
    }
}
