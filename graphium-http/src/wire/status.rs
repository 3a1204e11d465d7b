//! Body of `PUT /tasks/{id}/status`, for an agent that polls plainly.

use graphium_core::id::Attempt;
use graphium_core::store::ReportedStatus;
use graphium_core::task::{Failure, FailureCode, Outcome, Progress, TaskStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InvalidBody;

/// What became of a task, or the wish to begin it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatusCall {
    /// `running`, `completed`, `failed` or `cancelled`.
    pub status: TaskStatus,
    /// The attempt as it was read. A pending task is claimed with it; the answer has the new number.
    pub attempt: Attempt,
    /// Why it failed: a text, or a typed failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
    /// What it brought about: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub result: Option<Value>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// A failure as a plain poller says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ErrorView {
    /// Typed.
    Failure(Failure),
    /// A text: an internal failure, to be tried again.
    Text(String),
}

impl StatusCall {
    /// What it reports.
    ///
    /// # Errors
    /// [`InvalidBody`] for a status that only the server gives.
    pub fn into_report(self) -> Result<ReportedStatus, InvalidBody> {
        Ok(match self.status {
            TaskStatus::Running => ReportedStatus::Running,
            TaskStatus::Completed => ReportedStatus::Completed(outcome(self.result)),
            TaskStatus::Failed => ReportedStatus::Failed(match self.error {
                Some(ErrorView::Failure(failure)) => failure,
                Some(ErrorView::Text(text)) => Failure::new(FailureCode::Internal, text),
                None => return Err(InvalidBody::new("error", "a failed task says why")),
            }),
            TaskStatus::Cancelled => ReportedStatus::Cancelled(match self.error {
                Some(ErrorView::Text(text)) => Some(text),
                Some(ErrorView::Failure(failure)) => Some(failure.message),
                None => None,
            }),
            TaskStatus::Pending | TaskStatus::Assigned => {
                let rule =
                    format!("{} is given by the server: say running, completed, failed or cancelled", self.status);
                return Err(InvalidBody::new("status", rule));
            }
        })
    }
}

fn outcome(result: Option<Value>) -> Outcome {
    let Some(value) = result else { return Outcome::default() };
    let is_outcome = value.as_object().is_some_and(|object| {
        !object.is_empty() && object.keys().all(|key| ["instances", "warnings", "data"].contains(&key.as_str()))
    });
    let typed = is_outcome.then(|| serde_json::from_value(value.clone()).ok()).flatten();
    typed.unwrap_or_else(|| Outcome { data: value, ..Outcome::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(body: Value) -> StatusCall {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_result_of_any_form_is_kept_as_data() {
        let report = call(json!({ "status": "completed", "attempt": 1, "result": { "id": "abc" } })).into_report();
        let Ok(ReportedStatus::Completed(outcome)) = report else { panic!("{report:?}") };
        assert_eq!(outcome.data, json!({ "id": "abc" }));
    }

    #[test]
    fn an_error_may_be_a_plain_text() {
        let report = call(json!({ "status": "failed", "attempt": 1, "error": "boom" })).into_report();
        assert_eq!(report, Ok(ReportedStatus::Failed(Failure::new(FailureCode::Internal, "boom"))));
    }

    #[test]
    fn a_failure_without_a_reason_is_refused() {
        assert_eq!(call(json!({ "status": "failed", "attempt": 1 })).into_report().unwrap_err().field, "error");
    }

    #[test]
    fn an_agent_cannot_report_a_task_as_pending() {
        assert_eq!(call(json!({ "status": "pending", "attempt": 1 })).into_report().unwrap_err().field, "status");
    }
}
