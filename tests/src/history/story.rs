//! Histories that never happened, told step by step, for the tests of the promises.

use std::collections::BTreeMap;
use std::time::Duration;

use graphium_core::clock::Timestamp;
use graphium_core::id::{AgentId, Attempt, ClaimId, SessionId, TaskId};
use graphium_core::store::{AttemptRecord, ReportAnswer};
use graphium_core::task::{FailureCode, TaskStatus};

use super::call::{Answer, Call, Ending, Question, Repeat, Wanted};
use super::log::{Change, Entry};
use super::{History, Kept, is_held};

/// A history in the making.
pub(super) struct Story {
    pub(super) history: History,
    now: u64,
    wished: BTreeMap<TaskId, bool>,
}

fn agent() -> AgentId {
    AgentId::new("vm1").unwrap()
}

impl Story {
    pub(super) fn new() -> Self {
        Self { history: History::default(), now: 0, wished: BTreeMap::new() }
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    pub(super) fn kept(&mut self, task: TaskId) -> &mut Kept {
        self.history.tasks.get_mut(&task).unwrap()
    }

    pub(super) fn asked(&mut self, question: Question, answer: Answer) {
        let asked_at = self.tick();
        let heard = Some((self.tick(), answer));
        self.history.calls.push(Call { who: "client".into(), asked_at, question, heard });
    }

    fn log(&mut self, task: TaskId, change: Change) {
        let seq = self.history.log.len() as u64 + 1;
        let at = Timestamp::EPOCH.after(Duration::from_secs(seq));
        self.history.log.push(Entry { seq, at, digest: seq, about: Some((task, change)) });
    }

    fn updated(&mut self, task: TaskId, to: TaskStatus, reason: Option<&str>, actor: &str) {
        let wished = is_held(to) && self.wished.get(&task) == Some(&true);
        let kept = self.kept(task);
        let (from, attempt) = (std::mem::replace(&mut kept.status, to), kept.attempt);
        let (reason, actor) = (reason.map(str::to_owned), actor.to_owned());
        self.log(task, Change::Updated { from, to, attempt, wished, reason, actor });
    }

    /// A task was submitted and acknowledged.
    pub(super) fn submitted(&mut self) -> TaskId {
        let id = TaskId::generate();
        let tasks = vec![Wanted { id, key: None, depends_on: Vec::new() }];
        self.asked(Question::Submit { tasks, repeated: Repeat::No }, Answer::Submitted(vec![id]));
        let kept = Kept {
            agent: agent(),
            status: TaskStatus::Pending,
            attempt: Attempt(0),
            lane: None,
            generation: None,
            depends_on: Vec::new(),
            attempts: Vec::new(),
        };
        self.history.tasks.insert(id, kept);
        self.log(id, Change::Created);
        id
    }

    /// The server moved a task.
    pub(super) fn moved(&mut self, task: TaskId, to: TaskStatus) {
        self.updated(task, to, None, "server");
    }

    /// A session claimed it.
    pub(super) fn claimed(&mut self, task: TaskId) {
        let session = SessionId::generate();
        let kept = self.kept(task);
        kept.attempt = kept.attempt.next();
        let attempt = kept.attempt;
        kept.attempts.push(AttemptRecord {
            attempt,
            session,
            assigned_at: Timestamp::EPOCH,
            started_at: None,
            ended_at: None,
            ended: None,
            error: None,
        });
        self.updated(task, TaskStatus::Assigned, None, "agent:vm1");
        let claim_id = ClaimId::generate();
        let question = Question::Claim { agent: agent(), session, claim_id, reports: Vec::new(), repeated: Repeat::No };
        self.asked(question, Answer::Claimed { given: vec![(task, attempt, None)], receipts: Vec::new() });
    }

    /// Its holder reported, and the report was accepted.
    pub(super) fn reported(&mut self, task: TaskId, ending: Ending) {
        let (to, word) = match ending {
            Ending::Running => (TaskStatus::Running, None),
            Ending::Completed => (TaskStatus::Completed, Some("completed")),
            Ending::Failed(FailureCode::Timeout) => (TaskStatus::Failed, Some("timeout")),
            Ending::Failed(_) => (TaskStatus::Failed, Some("failed")),
            Ending::Cancelled => (TaskStatus::Cancelled, Some("cancelled")),
            Ending::HandedBack => (TaskStatus::Pending, Some("handed_back")),
        };
        let kept = self.kept(task);
        let attempt = kept.attempt;
        let record = kept.attempts.last_mut().unwrap();
        record.ended = word.map(str::to_owned);
        let session = record.session;
        self.updated(task, to, (ending == Ending::Cancelled).then_some("requested"), "agent:vm1");
        let question = Question::Claim {
            agent: agent(),
            session,
            claim_id: ClaimId::generate(),
            reports: vec![(task, attempt, ending)],
            repeated: Repeat::No,
        };
        let receipts = vec![(task, attempt, ReportAnswer::Accepted)];
        self.asked(question, Answer::Claimed { given: Vec::new(), receipts });
    }

    /// Somebody cancelled it.
    pub(super) fn cancelled(&mut self, task: TaskId) {
        let kept = self.kept(task);
        let (held, attempt) = (is_held(kept.status), kept.attempt);
        let to = if held { kept.status } else { TaskStatus::Cancelled };
        self.wished.insert(task, held);
        self.updated(task, to, Some("requested"), "ann");
        self.asked(Question::Cancel(task), Answer::Task(to, attempt));
    }

    /// Somebody retried it.
    pub(super) fn retried(&mut self, task: TaskId) {
        self.wished.remove(&task);
        self.updated(task, TaskStatus::Pending, None, "ann");
        let attempt = self.kept(task).attempt;
        self.asked(Question::Retry(task), Answer::Task(TaskStatus::Pending, attempt));
    }
}
