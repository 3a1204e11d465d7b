//! An accepted report is how its attempt ended, in the history of its task; two that differ are never both accepted.

use std::collections::BTreeMap;

use graphium_core::id::{Attempt, TaskId};
use graphium_core::store::{AttemptRecord, ReportAnswer};
use graphium_core::task::FailureCode;

use crate::history::History;
use crate::history::call::{Answer, Ending, Question};

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut accepted: BTreeMap<(TaskId, Attempt), Ending> = BTreeMap::new();
    let mut broken = Vec::new();
    for call in &history.calls {
        let (Question::Claim { reports, .. }, Some(Answer::Claimed { receipts, .. })) = (&call.question, call.answer())
        else {
            continue;
        };
        if reports.len() != receipts.len() {
            broken.push(format!("{}: {} reports have {} receipts", call.who, reports.len(), receipts.len()));
        }
        for ((task, attempt, ending), (of, under, answer)) in reports.iter().zip(receipts) {
            if (task, attempt) != (of, under) {
                broken.push(format!("{}: the report of {task} has the receipt of {of}", call.who));
            }
            if *answer != ReportAnswer::Accepted {
                continue;
            }
            let record =
                history.tasks.get(task).and_then(|kept| kept.attempts.get(usize::try_from(attempt.0 - 1).ok()?));
            if !record.is_some_and(|record| is_kept(*ending, record)) {
                broken.push(format!("{}: {ending:?} of {task} attempt {attempt}, and kept is {record:?}", call.who));
            }
            if *ending != Ending::Running && *accepted.entry((*task, *attempt)).or_insert(*ending) != *ending {
                broken.push(format!("{}: {task} attempt {attempt} ended twice, the second time {ending:?}", call.who));
            }
        }
    }
    broken
}

fn is_kept(ending: Ending, record: &AttemptRecord) -> bool {
    let ended = record.ended.as_deref();
    match ending {
        Ending::Running => record.started_at.is_some(),
        Ending::Completed => ended == Some("completed"),
        Ending::Failed(FailureCode::Lost) => ended == Some("lost"),
        Ending::Failed(FailureCode::Timeout) => ended == Some("timeout"),
        Ending::Failed(_) => ended == Some("failed"),
        // A cancel that nobody asked for counts as a failure.
        Ending::Cancelled => matches!(ended, Some("cancelled" | "failed")),
        Ending::HandedBack => ended == Some("handed_back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::story::Story;

    fn reported(ending: Ending) -> (Story, TaskId) {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        story.reported(task, ending);
        (story, task)
    }

    #[test]
    fn a_report_that_was_accepted_and_is_gone_is_found() {
        for ending in [Ending::Completed, Ending::Failed(FailureCode::Timeout), Ending::HandedBack, Ending::Cancelled] {
            let (mut story, task) = reported(ending);
            assert_eq!(broken(&story.history), [""; 0]);

            story.kept(task).attempts[0].ended = None;
            assert!(broken(&story.history)[0].contains("and kept is"), "{ending:?}");
        }
    }

    #[test]
    fn a_report_that_is_kept_as_another_is_found() {
        let (mut story, task) = reported(Ending::Completed);
        story.kept(task).attempts[0].ended = Some("lost".into());
        assert!(broken(&story.history)[0].contains("lost"));
    }

    #[test]
    fn a_second_ending_of_one_attempt_is_found() {
        let (mut story, _) = reported(Ending::Cancelled);
        let mut other = story.history.calls.last().unwrap().clone();
        let Question::Claim { reports, .. } = &mut other.question else { unreachable!("a report") };
        reports[0].2 = Ending::Completed;
        story.history.calls.push(other);
        assert!(broken(&story.history).iter().any(|what| what.contains("ended twice")));
    }

    #[test]
    fn a_report_without_a_receipt_is_found() {
        let (mut story, _) = reported(Ending::Completed);
        let Some((_, Answer::Claimed { receipts, .. })) = &mut story.history.calls.last_mut().unwrap().heard else {
            unreachable!("a receipt")
        };
        receipts.clear();
        assert!(broken(&story.history)[0].contains("1 reports have 0 receipts"));
    }
}
