//! The events of a task are a path through the table of [`TaskState::apply`], from its creation to what it is now.

use std::collections::{BTreeMap, BTreeSet};

use graphium_core::clock::Timestamp;
use graphium_core::id::{Attempt, SessionId, TaskId};
use graphium_core::task::{
    CancelReason, Failure, FailureCode, Lease, Outcome, Progress, TaskEvent, TaskState, TaskStatus,
};

use crate::history::History;
use crate::history::log::Change;

/// What the table looks at: the status, whether a wish to stop is on its way, and whether a dependency is to blame.
type Place = (TaskStatus, bool, bool);

const NEW: Place = (TaskStatus::Pending, false, false);

pub(super) fn broken(history: &History) -> Vec<String> {
    let moves = moves();
    let mut places: BTreeMap<TaskId, Place> = BTreeMap::new();
    let mut broken = Vec::new();
    for entry in &history.log {
        let Some((task, change)) = &entry.about else { continue };
        let before = places.get(task).copied();
        match (before, change) {
            (None, Change::Created) => drop(places.insert(*task, NEW)),
            (Some(place), Change::Updated { from, to, wished, reason, .. }) => {
                let blamed = *to == TaskStatus::Cancelled && reason.as_deref() == Some("dependency_failed");
                let after = (*to, *wished, blamed);
                if place.0 != *from || !moves.contains(&(place, after)) {
                    broken.push(format!("event {}: {task} went from {place:?} ({from}) to {after:?}", entry.seq));
                }
                places.insert(*task, after);
            }
            (Some((TaskStatus::Running, ..)), Change::Progress(_)) => {}
            (before, change) => broken.push(format!("event {}: {task} was {before:?}, then {change:?}", entry.seq)),
        }
    }
    for (id, kept) in &history.tasks {
        let last = places.get(id).map(|place| place.0);
        if last != Some(kept.status) {
            broken.push(format!("{id} is {}, and its events end with {last:?}", kept.status));
        }
    }
    broken
}

/// Every move that the table has, found by trying each event on each state.
fn moves() -> BTreeSet<(Place, Place)> {
    let mut moves = BTreeSet::new();
    for state in states() {
        for event in events() {
            if let Ok(after) = state.clone().apply(event) {
                moves.insert((place(&state), place(&after)));
            }
        }
    }
    moves
}

fn place(state: &TaskState) -> Place {
    let wished = state.lease().is_some_and(|lease| lease.cancel.is_some());
    let blamed = matches!(state, TaskState::Cancelled { reason: CancelReason::DependencyFailed { .. }, .. });
    (state.status(), wished, blamed)
}

const AT: Timestamp = Timestamp::EPOCH;

fn states() -> Vec<TaskState> {
    let session = SessionId::generate();
    let lease = Lease { session, attempt: Attempt(1), assigned_at: AT, deadline: AT, cancel: None };
    let assigned = TaskState::Assigned { lease: lease.clone() };
    let running = TaskState::Running { lease, started_at: AT, progress: None };
    let wished =
        |state: &TaskState| state.clone().apply(cancel(requested())).expect("a task that is held can be asked");
    let blame = CancelReason::DependencyFailed { dependency: TaskId::generate() };
    let cancelled = |reason| TaskState::Cancelled { at: AT, reason, undone: None };
    vec![
        TaskState::NEW,
        wished(&assigned),
        wished(&running),
        assigned,
        running,
        TaskState::Completed { at: AT, outcome: Outcome::default() },
        TaskState::Failed { at: AT, failure: failure() },
        cancelled(requested()),
        cancelled(blame),
    ]
}

fn events() -> Vec<TaskEvent> {
    let (attempt, at) = (Attempt(1), AT);
    let session = SessionId::generate();
    let progress = Progress { step: "work".into(), percent: None, message: None };
    vec![
        TaskEvent::Claim { lease: Lease { session, attempt, assigned_at: at, deadline: at, cancel: None } },
        TaskEvent::Start { attempt, at },
        TaskEvent::Advance { attempt, progress, at },
        TaskEvent::Complete { attempt, at, outcome: Outcome::default() },
        TaskEvent::Fail { attempt, at, failure: failure(), retry_at: Some(at) },
        TaskEvent::Fail { attempt, at, failure: failure(), retry_at: None },
        TaskEvent::AcknowledgeCancel { attempt, at, undone: None },
        TaskEvent::HandBack { attempt, at },
        TaskEvent::Condemn { at, failure: failure() },
        cancel(requested()),
        cancel(CancelReason::DependencyFailed { dependency: TaskId::generate() }),
        TaskEvent::Retry,
        TaskEvent::Revive,
    ]
}

fn requested() -> CancelReason {
    CancelReason::Requested { by: "ann".into() }
}

fn cancel(reason: CancelReason) -> TaskEvent {
    TaskEvent::Cancel { at: AT, reason }
}

fn failure() -> Failure {
    Failure::new(FailureCode::Lost, "the lease ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    #[test]
    fn a_whole_life_is_legal() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.moved(task, TaskStatus::Running);
        story.reported(task, Ending::Failed(FailureCode::InvalidSpec));
        story.retried(task);
        story.claimed(task);
        story.cancelled(task);
        story.reported(task, Ending::Cancelled);
        assert_eq!(broken(&story.history), [""; 0]);
    }

    #[test]
    fn a_step_that_the_table_does_not_have_is_found() {
        for (between, to) in [
            (None, TaskStatus::Completed),
            (None, TaskStatus::Running),
            (Some(TaskStatus::Cancelled), TaskStatus::Running),
            (Some(TaskStatus::Cancelled), TaskStatus::Completed),
        ] {
            let mut story = Story::new();
            let task = story.submitted();
            between.into_iter().for_each(|between| story.moved(task, between));
            story.moved(task, to);
            assert!(broken(&story.history)[0].contains("went from"), "{between:?} {to}");
        }
    }

    #[test]
    fn a_task_that_changes_before_it_is_created_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.history.log.remove(0);
        assert!(broken(&story.history)[0].contains("was None"));
    }

    #[test]
    fn a_state_that_no_event_explains_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.kept(task).status = TaskStatus::Completed;
        assert!(broken(&story.history)[0].contains("its events end with Some(Pending)"));
    }
}
