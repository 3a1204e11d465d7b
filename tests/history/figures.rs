//! How much a run did: a run in which nothing happened proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use graphium_core::store::ReportAnswer;
use graphium_tests::history::History;
use graphium_tests::history::call::{Answer, Ending, Question, Repeat};

/// How often each thing happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(BTreeMap<&'static str, u64>);

impl Figures {
    pub(crate) fn of(history: &History, counted: BTreeMap<&'static str, u64>) -> Self {
        let mut figures = Self(counted);
        figures.add("tasks", history.tasks.len());
        figures.add("events", history.log.len());
        figures.add("attempts", history.tasks.values().map(|kept| kept.attempts.len()).sum());
        for call in &history.calls {
            match (&call.question, call.answer()) {
                (Question::Claim { reports, repeated, .. }, answer) => {
                    figures.repeated(*repeated);
                    if let Some(Answer::Claimed { given, receipts }) = answer {
                        figures.add("claims answered", 1);
                        figures.add("tasks given", given.len());
                        for (report, receipt) in reports.iter().zip(receipts) {
                            figures.report(report.2, receipt.2);
                        }
                    }
                }
                (Question::Submit { repeated, .. }, answer) => {
                    figures.repeated(*repeated);
                    figures.add("submits acknowledged", usize::from(matches!(answer, Some(Answer::Submitted(_)))));
                }
                (Question::Cancel(_), Some(Answer::Task(..))) => figures.add("cancels acknowledged", 1),
                (Question::Retry(_), Some(Answer::Task(..))) => figures.add("retries acknowledged", 1),
                (Question::Apply(_), Some(Answer::Applied(_))) => figures.add("deployments accepted", 1),
                (Question::Look(_), Some(Answer::Task(..))) => figures.add("looks answered", 1),
                _ => {}
            }
            figures.add(
                "answers lost",
                usize::from(!matches!(call.heard, Some((_, Answer::Refused(_)))) && call.answer().is_none()),
            );
        }
        figures
    }

    fn add(&mut self, what: &'static str, number: usize) {
        *self.0.entry(what).or_default() += number as u64;
    }

    fn repeated(&mut self, repeated: Repeat) {
        match repeated {
            Repeat::No => {}
            Repeat::AtOnce => self.add("calls repeated at once", 1),
            Repeat::Late => self.add("calls repeated late", 1),
        }
    }

    fn report(&mut self, ending: Ending, answer: ReportAnswer) {
        match answer {
            ReportAnswer::Accepted => self.add("reports accepted", 1),
            ReportAnswer::StaleAttempt => self.add("reports refused as stale", 1),
            ReportAnswer::UnknownTask => self.add("reports of unknown tasks", 1),
        }
        if answer == ReportAnswer::Accepted && ending == Ending::HandedBack {
            self.add("tasks handed back", 1);
        }
    }

    /// What of these never happened.
    pub(crate) fn never(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        wanted.iter().copied().filter(|what| self.0.get(what).is_none_or(|count| *count == 0)).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<_> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        f.write_str(&told.join(", "))
    }
}
