//! What an agent says about its attempts. Everything is fenced by session and attempt.

use super::Engine;
use super::attempt::report_mark;
use crate::id::{AgentId, Attempt, SessionId, TaskId};
use crate::store::{ClaimRequest, Report, ReportAnswer, ReportReceipt, ReportedStatus};
use crate::task::{Failure, FailureCode, Lease, TaskEvent};

impl Engine {
    /// Takes the reports of a call, in order.
    pub(super) fn take_reports(&mut self, agent: &AgentId, request: &ClaimRequest) -> Vec<ReportReceipt> {
        let take = |report: &Report| ReportReceipt {
            task: report.task,
            attempt: report.attempt,
            answer: self.take_report(agent, request.session, report),
        };
        request.reports.iter().map(take).collect()
    }

    fn take_report(&mut self, agent: &AgentId, session: SessionId, report: &Report) -> ReportAnswer {
        let Some(task) = self.tasks.get(&report.task).map(|entry| &entry.task).filter(|task| task.agent() == agent)
        else {
            return ReportAnswer::UnknownTask;
        };
        let lease = task.state.lease();
        match lease.filter(|lease| lease.session == session && lease.attempt == report.attempt).cloned() {
            Some(lease) => {
                self.apply_report(agent, &lease, report);
                ReportAnswer::Accepted
            }
            None => self.compare_with_past(report),
        }
    }

    fn apply_report(&mut self, agent: &AgentId, lease: &Lease, report: &Report) {
        let (id, attempt, at) = (report.task, report.attempt, self.now);
        let actor = format!("agent:{agent}");
        match report.status.clone() {
            ReportedStatus::Running => {
                self.must_step(id, TaskEvent::Start { attempt, at }, &actor);
                return;
            }
            ReportedStatus::Completed(outcome) => {
                self.must_step(id, TaskEvent::Complete { attempt, at, outcome }, &actor);
            }
            ReportedStatus::Failed(failure) => self.fail(id, failure, &actor),
            ReportedStatus::Cancelled(undone) if lease.cancel.is_some() => {
                self.must_step(id, TaskEvent::AcknowledgeCancel { attempt, at, undone }, &actor);
                self.cascade();
            }
            ReportedStatus::Cancelled(undone) => self.fail(id, unasked_cancel(agent, undone), &actor),
            ReportedStatus::HandedBack => self.hand_back(id, &actor),
        }
        self.sample_run(lease.assigned_at);
        if let Some(entry) = self.attempts.get_mut(&(id, attempt)) {
            entry.report = Some(report_mark(&report.status));
        }
    }

    /// The answer to a report about an attempt that is over: it counted if it is the one that was made then.
    fn compare_with_past(&self, report: &Report) -> ReportAnswer {
        let Some(past) = self.attempts.get(&(report.task, report.attempt)) else { return ReportAnswer::StaleAttempt };
        let same = if report.status == ReportedStatus::Running {
            past.record.started_at.is_some()
        } else {
            past.report.as_ref() == Some(&report_mark(&report.status))
        };
        if same { ReportAnswer::Accepted } else { ReportAnswer::StaleAttempt }
    }

    /// Takes how far the agent is with what it works on. Being worked on implies having begun.
    pub(super) fn take_progress(&mut self, agent: &AgentId, request: &ClaimRequest) {
        for running in &request.running {
            if !self.holds(agent, request.session, running.task, running.attempt) {
                continue;
            }
            let (attempt, at) = (running.attempt, self.now);
            let event = match running.progress.clone() {
                Some(progress) => TaskEvent::Advance { attempt, progress, at },
                None => TaskEvent::Start { attempt, at },
            };
            self.must_step(running.task, event, &format!("agent:{agent}"));
        }
    }

    /// Whether a session holds a task under this attempt.
    pub(super) fn holds(&self, agent: &AgentId, session: SessionId, id: TaskId, attempt: Attempt) -> bool {
        let Some(task) = self.tasks.get(&id).map(|entry| &entry.task) else { return false };
        task.agent() == agent
            && task.state.lease().is_some_and(|lease| lease.session == session && lease.attempt == attempt)
    }
}

fn unasked_cancel(agent: &AgentId, undone: Option<String>) -> Failure {
    let undone = undone.map(|undone| format!(" ({undone})")).unwrap_or_default();
    let message = format!("agent {agent} stopped the task as cancelled though nobody asked for it{undone}");
    Failure::new(FailureCode::Internal, message).finally()
}
