//! The state × event table, made by asking [`TaskState::apply`] itself.

use super::{CancelReason, CancelRequest, Failure, FailureCode, Lease, Outcome, Progress, TaskEvent, TaskState};
use crate::clock::Timestamp;
use crate::id::{Attempt, SessionId, TaskId};

const AT: Timestamp = Timestamp::EPOCH;

fn lease(cancel: bool) -> Lease {
    let reason = CancelReason::Requested { by: "operator".into() };
    Lease {
        session: SessionId::from_uuid(uuid::Uuid::nil()),
        attempt: Attempt(1),
        assigned_at: AT,
        deadline: AT,
        cancel: cancel.then_some(CancelRequest { at: AT, reason }),
    }
}

fn states() -> Vec<(&'static str, TaskState)> {
    let running = |cancel| TaskState::Running { lease: lease(cancel), started_at: AT, progress: None };
    let cancelled = |reason| TaskState::Cancelled { at: AT, reason, undone: None };
    let dependency = TaskId::from_uuid(uuid::Uuid::nil());
    vec![
        ("pending", TaskState::NEW),
        ("assigned", TaskState::Assigned { lease: lease(false) }),
        ("assigned, cancel requested", TaskState::Assigned { lease: lease(true) }),
        ("running", running(false)),
        ("running, cancel requested", running(true)),
        ("completed", TaskState::Completed { at: AT, outcome: Outcome::default() }),
        ("failed", TaskState::Failed { at: AT, failure: failure() }),
        ("cancelled", cancelled(CancelReason::Requested { by: "operator".into() })),
        ("cancelled for a dependency", cancelled(CancelReason::DependencyFailed { dependency })),
    ]
}

fn failure() -> Failure {
    Failure::new(FailureCode::Lost, "the lease ended")
}

fn events() -> Vec<(&'static str, TaskEvent)> {
    let attempt = Attempt(1);
    let fail = |retry_at| TaskEvent::Fail { attempt, at: AT, failure: failure(), retry_at };
    let progress = Progress { step: "pull".into(), percent: None, message: None };
    vec![
        ("claim", TaskEvent::Claim { lease: lease(false) }),
        ("start", TaskEvent::Start { attempt, at: AT }),
        ("advance", TaskEvent::Advance { attempt, progress, at: AT }),
        ("complete", TaskEvent::Complete { attempt, at: AT, outcome: Outcome::default() }),
        ("complete, stale attempt", TaskEvent::Complete { attempt: Attempt(0), at: AT, outcome: Outcome::default() }),
        ("fail, retry left", fail(Some(AT))),
        ("fail for good", fail(None)),
        ("acknowledge cancel", TaskEvent::AcknowledgeCancel { attempt, at: AT, undone: None }),
        ("hand back", TaskEvent::HandBack { attempt, at: AT }),
        ("condemn", TaskEvent::Condemn { at: AT, failure: failure() }),
        ("cancel", TaskEvent::Cancel { at: AT, reason: CancelReason::Requested { by: "operator".into() } }),
        ("retry", TaskEvent::Retry),
        ("revive", TaskEvent::Revive),
    ]
}

fn label(state: &TaskState) -> String {
    let cancel = state.lease().is_some_and(|lease| lease.cancel.is_some());
    if cancel { format!("{}, cancel requested", state.status()) } else { state.status().to_string() }
}

/// The lifecycle as a Markdown table: a row per event, a column per state, `–` where the transition is refused.
///
/// `docs/task-lifecycle.md` holds it; a test compares the two.
#[must_use]
pub fn lifecycle_table() -> String {
    let states = states();
    let mut table = String::from("| event |");
    for (name, _) in &states {
        table.push_str(&format!(" {name} |"));
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(states.len()));
    table.push('\n');
    for (name, event) in events() {
        table.push_str(&format!("| {name} |"));
        for (_, state) in &states {
            match state.clone().apply(event.clone()) {
                Ok(next) => table.push_str(&format!(" {} |", label(&next))),
                Err(_) => table.push_str(" – |"),
            }
        }
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskStatus;

    #[test]
    fn the_table_in_the_docs_is_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/task-lifecycle.md");
        let page = std::fs::read_to_string(path).unwrap();
        let table = lifecycle_table();
        assert!(page.contains(&table), "docs/task-lifecycle.md must hold this table:\n{table}");
    }

    #[test]
    fn every_status_and_every_event_stands_in_the_table() {
        for status in TaskStatus::ALL {
            assert!(states().iter().any(|(_, state)| state.status() == status), "{status} is missing");
        }
        let names: std::collections::BTreeSet<_> = events().iter().map(|(_, event)| event.name()).collect();
        assert_eq!(names.len(), 11, "an event is missing: {names:?}");
    }

    #[test]
    fn no_event_but_retry_and_its_cascade_leaves_a_settled_state() {
        for (_, state) in states().into_iter().filter(|(_, state)| state.is_settled()) {
            for (_, event) in events() {
                let leaves = state.clone().apply(event.clone()).is_ok();
                assert!(
                    !leaves || matches!(event, TaskEvent::Retry | TaskEvent::Revive),
                    "{state:?} left by {event:?}"
                );
            }
        }
    }
}
