//! What must hold in every run, one property for each file. Each answers with what breaks it.

mod acknowledged_settles;
mod attempts_grow;
mod completion_is_executed;
mod events_are_dense;
mod generations_order_a_lane;
mod lane_is_serial;
mod one_execution;
mod settled_stays;

use graphium_core::event::{Event, EventType};
use graphium_core::id::{Attempt, TaskId};

use crate::record::Story;

/// A property: its name, and what breaks it in a run.
type Property = (&'static str, fn(&Story) -> Vec<String>);

const PROPERTIES: [Property; 8] = [
    ("what was acknowledged settles", acknowledged_settles::broken),
    ("attempts only grow", attempts_grow::broken),
    ("what completed was executed", completion_is_executed::broken),
    ("events are dense", events_are_dense::broken),
    ("generations order a lane", generations_order_a_lane::broken),
    ("a lane is serial", lane_is_serial::broken),
    ("one execution for an attempt", one_execution::broken),
    ("a settled task stays", settled_stays::broken),
];

/// Everything that is broken.
pub(crate) fn check(story: &Story) -> Vec<String> {
    let found = |(name, broken): Property| broken(story).into_iter().map(move |what| format!("  {name}: {what}"));
    PROPERTIES.into_iter().flat_map(found).collect()
}

/// A change of a task's status, as the log tells it.
struct Change<'a> {
    task: TaskId,
    attempt: Attempt,
    from: &'a str,
    to: &'a str,
    event: &'a Event,
}

fn changes(story: &Story) -> impl Iterator<Item = Change<'_>> {
    story.events.iter().filter(|event| event.kind == EventType::TaskUpdated).map(|event| Change {
        task: event.task_id.expect("a task's event names it"),
        attempt: Attempt(event.data["attempt"].as_u64().expect("a task's event carries its attempt")),
        from: event.data["previousStatus"].as_str().expect("a change has a status before"),
        to: event.data["status"].as_str().expect("a change has a status after"),
        event,
    })
}

fn is_settled(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled")
}

fn in_flight(status: &str) -> bool {
    matches!(status, "assigned" | "running")
}
