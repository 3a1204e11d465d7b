//! What a process asked and what it was answered: one line of its journal each, so that neither is lost when the process
//! is killed between the two.

use std::collections::BTreeMap;

use anyhow::Context;
use graphium_core::id::{AgentId, Attempt, ClaimId, SessionId, TaskId};
use graphium_core::store::{ReportAnswer, ReportedStatus};
use graphium_core::task::{FailureCode, TaskStatus};
use serde::{Deserialize, Serialize};

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written, in nanoseconds of the clock that never jumps and that all processes of a machine share.
    pub at: u64,
    /// Which call of the process.
    pub call: u64,
    /// What was said.
    pub said: Said,
}

/// A question or its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// The process is about to ask.
    Asked(Question),
    /// The process has heard.
    Heard(Answer),
}

/// A question to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// An agent's loop call.
    Claim {
        /// Who.
        agent: AgentId,
        /// In which life.
        session: SessionId,
        /// Which request for work.
        claim_id: ClaimId,
        /// What it reports.
        reports: Vec<(TaskId, Attempt, Ending)>,
        /// Whether the same call was made before.
        repeated: Repeat,
    },
    /// A submission.
    Submit {
        /// Its tasks.
        tasks: Vec<Wanted>,
        /// Whether the same was submitted before, and how.
        repeated: Repeat,
    },
    /// A cancel.
    Cancel(TaskId),
    /// A retry.
    Retry(TaskId),
    /// A definition of a stack.
    Apply(String),
    /// A look at a task.
    Look(TaskId),
}

/// How a call relates to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repeat {
    /// It is the first.
    No,
    /// The same once more at once, whatever came of the first.
    AtOnce,
    /// The same once more, long after the answer.
    Late,
}

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words of a report")]
pub enum Ending {
    Running,
    Completed,
    Failed(FailureCode),
    Cancelled,
    HandedBack,
}

impl From<&ReportedStatus> for Ending {
    fn from(status: &ReportedStatus) -> Self {
        match status {
            ReportedStatus::Running => Self::Running,
            ReportedStatus::Completed(_) => Self::Completed,
            ReportedStatus::Failed(failure) => Self::Failed(failure.code),
            ReportedStatus::Cancelled(_) => Self::Cancelled,
            ReportedStatus::HandedBack => Self::HandedBack,
        }
    }
}

/// A task that is submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its id, as the submitter chose it.
    pub id: TaskId,
    /// Its idempotency key.
    pub key: Option<String>,
    /// What it waits for.
    pub depends_on: Vec<TaskId>,
}

/// An answer of the server, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To a loop call.
    Claimed {
        /// Work: the task, its attempt, its lane.
        given: Vec<(TaskId, Attempt, Option<String>)>,
        /// What became of each report.
        receipts: Vec<(TaskId, Attempt, ReportAnswer)>,
    },
    /// To a submission: the tasks that it means.
    Submitted(Vec<TaskId>),
    /// To a cancel, a retry or a look: the task as it is now.
    Task(TaskStatus, Attempt),
    /// To a definition: the generation.
    Applied(u64),
    /// The server refused, with this code. Nothing has changed.
    Refused(String),
    /// Nobody knows whether it was done: the answer did not come.
    Unknown(String),
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Who asked: the name of the journal.
    pub who: String,
    /// When it was about to ask.
    pub asked_at: u64,
    /// What.
    pub question: Question,
    /// When it heard and what. None when the process did not live to hear.
    pub heard: Option<(u64, Answer)>,
}

impl Call {
    /// The answer, where one came from the server.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        self.heard.as_ref().map(|(_, answer)| answer).filter(|answer| !matches!(answer, Answer::Unknown(_)))
    }
}

/// Reads the journal of one process. Only its last line may be torn: the process may have been killed in it.
///
/// # Errors
/// When another line cannot be read, or an answer has no question.
pub fn read_journal(who: &str, text: &str) -> anyhow::Result<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open = BTreeMap::new();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let Line { at, call, said } = serde_json::from_str(line).with_context(|| format!("{who}: {line}"))?;
        match said {
            Said::Asked(question) => {
                open.insert(call, calls.len());
                calls.push(Call { who: who.to_owned(), asked_at: at, question, heard: None });
            }
            Said::Heard(answer) => {
                let index =
                    open.remove(&call).with_context(|| format!("{who}: an answer without a question: {line}"))?;
                calls[index].heard = Some((at, answer));
            }
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64, call: u64, said: Said) -> String {
        serde_json::to_string(&Line { at, call, said }).unwrap() + "\n"
    }

    #[test]
    fn an_answer_finds_its_question_among_others() {
        let (one, other) = (TaskId::generate(), TaskId::generate());
        let text = line(1, 0, Said::Asked(Question::Look(one)))
            + &line(2, 1, Said::Asked(Question::Look(other)))
            + &line(3, 0, Said::Heard(Answer::Refused("not_found".into())));
        let calls = read_journal("a", &text).unwrap();
        assert_eq!(calls[0].heard, Some((3, Answer::Refused("not_found".into()))));
        assert_eq!((&calls[1].question, &calls[1].heard), (&Question::Look(other), &None));
    }

    #[test]
    fn a_torn_last_line_is_the_end_of_a_killed_process() {
        let text = line(1, 0, Said::Asked(Question::Look(TaskId::generate()))) + "{\"at\":2,\"ca";
        assert_eq!(read_journal("a", &text).unwrap().len(), 1);
    }

    #[test]
    fn a_torn_line_in_the_middle_is_an_error() {
        let text = "{\"at\":2,\"ca\n".to_owned() + &line(1, 0, Said::Asked(Question::Look(TaskId::generate())));
        assert!(read_journal("a", &text).is_err());
    }
}
