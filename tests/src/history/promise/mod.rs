//! What must hold in every history, one promise for each file. Each answers with what breaks it.

mod attempt_has_one_holder;
mod attempts_grow;
mod cancel_is_kept;
mod counts_are_right;
mod dependencies_come_first;
mod events_come_once;
mod lane_is_serial;
mod life_is_legal;
mod looks_are_true;
mod report_is_kept;
mod retry_is_kept;
mod settled_stays;
mod submit_is_kept;
mod work_settles;

use super::History;

/// A promise: its words, and what breaks it in a history.
pub(super) type Promise = (&'static str, fn(&History) -> Vec<String>);

pub(super) const ALL: [Promise; 14] = [
    ("an attempt has one holder", attempt_has_one_holder::broken),
    ("attempts only grow", attempts_grow::broken),
    ("a cancel is never lost", cancel_is_kept::broken),
    ("counts are right", counts_are_right::broken),
    ("dependencies come first", dependencies_come_first::broken),
    ("every event comes once and in order", events_come_once::broken),
    ("a lane is serial and ordered by generation", lane_is_serial::broken),
    ("every life is legal", life_is_legal::broken),
    ("what was shown has happened", looks_are_true::broken),
    ("an accepted report is kept", report_is_kept::broken),
    ("a retry is never lost", retry_is_kept::broken),
    ("a settled task stays", settled_stays::broken),
    ("an acknowledged submit is kept", submit_is_kept::broken),
    ("work settles", work_settles::broken),
];
