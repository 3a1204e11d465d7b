//! What is to be reported, until the store has taken it.

use std::collections::VecDeque;

use tracing::warn;

use crate::id::{Attempt, TaskId};
use crate::store::{MAX_REPORTS, Report, ReportAnswer, ReportReceipt, ReportedStatus};

/// How many bytes of reports, as JSON, one call carries; the report that goes over it is the last one.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The ends of attempts that the store has not acknowledged, oldest first.
///
/// It holds no more than the agent was given to do, so it needs no limit of its own; one call carries
/// [`MAX_REPORTS`] of them, and of long ones fewer.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    due: VecDeque<Report>,
}

impl Reporter {
    /// One more to report.
    pub(super) fn report(&mut self, task: TaskId, attempt: Attempt, status: ReportedStatus) {
        // Whatever an executor says, the store takes it.
        self.due.push_back(Report { task, attempt, status: status.cut() });
    }

    /// What the next call carries.
    pub(super) fn batch(&self) -> Vec<Report> {
        let mut room = MAX_BATCH_BYTES;
        let fits = |report: &&Report| {
            let fitted = room > 0;
            room = room.saturating_sub(serde_json::to_vec(&report.status).map_or(0, |json| json.len()));
            fitted
        };
        self.due.iter().take(MAX_REPORTS).take_while(fits).cloned().collect()
    }

    /// Forgets what the store has an answer for. Answers whether there was any.
    pub(super) fn settle(&mut self, receipts: &[ReportReceipt]) -> bool {
        let before = self.due.len();
        for ReportReceipt { task, attempt, answer } in receipts {
            if *answer != ReportAnswer::Accepted && self.is_due(*task, *attempt) {
                warn!(%task, %attempt, ?answer, "the store did not count a report: the attempt was over");
            }
            self.due.retain(|report| (report.task, report.attempt) != (*task, *attempt));
        }
        self.due.len() < before
    }

    /// Whether the end of this attempt waits to be acknowledged.
    pub(super) fn is_due(&self, task: TaskId, attempt: Attempt) -> bool {
        self.due.iter().any(|report| (report.task, report.attempt) == (task, attempt))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{MAX_OUTCOME_BYTES, MAX_OUTCOME_DATA_BYTES, Outcome};

    #[test]
    fn a_call_carries_no_more_reports_than_its_limit() {
        let mut reporter = Reporter::default();
        for _ in 0..=MAX_REPORTS {
            reporter.report(TaskId::generate(), Attempt(1), ReportedStatus::HandedBack);
        }
        assert_eq!(reporter.batch().len(), MAX_REPORTS);

        let receipts: Vec<_> = reporter
            .batch()
            .into_iter()
            .map(|report| ReportReceipt { task: report.task, attempt: report.attempt, answer: ReportAnswer::Accepted })
            .collect();
        assert!(reporter.settle(&receipts));
        assert_eq!(reporter.batch().len(), 1);
    }

    #[test]
    fn a_call_carries_fewer_reports_of_much_to_say_and_at_least_one() {
        let mut reporter = Reporter::default();
        let data = serde_json::json!("x".repeat(MAX_OUTCOME_DATA_BYTES * 2));
        let warnings = vec!["x".repeat(MAX_OUTCOME_DATA_BYTES); 32];
        for _ in 0..20 {
            let outcome = Outcome { warnings: warnings.clone(), data: data.clone(), ..Outcome::default() };
            reporter.report(TaskId::generate(), Attempt(1), ReportedStatus::Completed(outcome));
        }
        let bytes = serde_json::to_vec(&reporter.batch()).unwrap().len();
        assert!(reporter.batch().len() > 1 && reporter.batch().len() < 20, "{}", reporter.batch().len());
        assert!(bytes < MAX_BATCH_BYTES + 2 * MAX_OUTCOME_BYTES, "{bytes}");
    }

    #[test]
    fn every_kind_of_receipt_ends_the_duty_and_a_foreign_one_does_not() {
        for answer in [ReportAnswer::Accepted, ReportAnswer::StaleAttempt, ReportAnswer::UnknownTask] {
            let mut reporter = Reporter::default();
            let task = TaskId::generate();
            reporter.report(task, Attempt(2), ReportedStatus::HandedBack);

            assert!(!reporter.settle(&[ReportReceipt { task, attempt: Attempt(1), answer }]));
            assert!(reporter.settle(&[ReportReceipt { task, attempt: Attempt(2), answer }]));
            assert!(reporter.is_empty());
        }
    }
}
