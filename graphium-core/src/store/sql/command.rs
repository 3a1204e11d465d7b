//! What callers ask of the writer, and how they hear of it.

#[cfg(feature = "postgres")]
use std::sync::Arc;

use serde::Serialize;

use super::error::SqlError;
use crate::id::{AgentId, TaskId};
use crate::store::engine::{ClaimStep, Engine, Needs};
use crate::store::reply::{Reply, To};
#[cfg(feature = "postgres")]
use crate::store::sql::passed_on::{PassedOn, Told};
use crate::store::waiting::Waiting;
use crate::store::{
    ClaimAnswer, ClaimRequest, Host, InventoryReport, Pruned, StoreError, StoreStatus, Submission, Submitted, TaskStats,
};
use crate::task::Task;

/// One call of a caller.
#[derive(Debug)]
pub(super) enum Command {
    Submit(Submission, Reply<Submitted>),
    Claim(AgentId, ClaimRequest, Reply<ClaimAnswer>),
    Inventory(AgentId, InventoryReport, Reply<()>),
    Cancel(TaskId, String, Reply<Task>),
    Retry(TaskId, String, Reply<Task>),
    Sweep(Reply<usize>),
    Prune(Reply<Pruned>),
    Status(Reply<StoreStatus>),
    Confirm(String, Reply<StoreStatus>),
    Stats(Reply<TaskStats>),
    Hosts(Reply<Vec<Host>>),
}

/// An answer that is given once it is known whether what it tells of is kept.
pub(super) enum Answer {
    Here(Box<dyn FnOnce(Option<StoreError>) + Send>),
    /// For another server: kept together with what it tells of.
    #[cfg(feature = "postgres")]
    Away {
        call: Arc<PassedOn>,
        body: Result<String, serde_json::Error>,
    },
}

impl Answer {
    pub(super) fn new<T: Serialize + Send + 'static>(reply: Reply<T>, result: Result<T, StoreError>) -> Self {
        match reply.into_parts() {
            // Nobody may listen any more; what was asked for is done all the same.
            To::Here(sender) => Self::Here(Box::new(move |fault| drop(sender.send(fault.map_or(result, Err))))),
            #[cfg(feature = "postgres")]
            To::Away(call) => Self::Away { call, body: serde_json::to_string(&Told::from(result)) },
        }
    }

    /// Tells the caller what came of it.
    pub(super) fn send(self) {
        match self {
            Self::Here(send) => send(None),
            #[cfg(feature = "postgres")]
            Self::Away { call, .. } => call.answered(),
        }
    }

    /// Tells the caller that nothing came of it.
    pub(super) fn refuse(self, error: &SqlError) {
        match self {
            Self::Here(send) => send(Some(not_kept(error))),
            #[cfg(feature = "postgres")]
            Self::Away { call, .. } => match not_kept(error) {
                refused if !refused.is_retryable() => call.refuse(&refused),
                _ => call.let_go(),
            },
        }
    }
}

/// The error for each caller of a commit that was not made.
pub(super) fn not_kept(error: &SqlError) -> StoreError {
    let message = if matches!(error, SqlError::Unsure { .. }) {
        chain(error)
    } else {
        format!("the store could not keep a change and kept nothing of it: {}", chain(error))
    };
    StoreError::new(error.kind(), message)
}

/// An error with all that caused it: one commit may have many callers, and an error has one owner.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Command {
    /// How much of a batch it fills: roughly, the tasks that it touches.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Submit(submission, _) => 1 + submission.tasks.len() + submission.records.len(),
            Self::Claim(_, request, _) => 1 + request.reports.len(),
            Self::Inventory(..)
            | Self::Cancel(..)
            | Self::Retry(..)
            | Self::Sweep(_)
            | Self::Prune(_)
            | Self::Status(_)
            | Self::Confirm(..)
            | Self::Stats(_)
            | Self::Hosts(_) => 1,
        }
    }

    /// Whether it must be alone in its batch. What a retry brings back, and what may be pruned, is looked up
    /// in the tables, which must not be behind the memory.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Retry(..) | Self::Prune(_))
    }

    /// Notes what it looks at that is not in memory.
    pub(super) fn need(&self, engine: &Engine, needs: &mut Needs) {
        match self {
            Self::Submit(submission, _) => engine.need_for_submission(submission, needs),
            Self::Claim(_, request, _) => engine.need_for_claim(request, needs),
            Self::Cancel(id, ..) => engine.need_for_task(*id, needs),
            Self::Retry(id, ..) => {
                needs.cascades.insert(*id);
            }
            Self::Prune(_) => needs.due = Some(engine.cutoffs()),
            Self::Inventory(..)
            | Self::Sweep(_)
            | Self::Status(_)
            | Self::Confirm(..)
            | Self::Stats(_)
            | Self::Hosts(_) => {}
        }
    }

    /// Does it in memory. A claim for which there is nothing joins those that wait.
    pub(super) fn apply(self, engine: &mut Engine, waiting: &mut Waiting, answers: &mut Vec<Answer>) {
        #[cfg(feature = "postgres")]
        if self.is_taken_back() {
            return;
        }
        match self {
            Self::Submit(submission, reply) => answers.push(Answer::new(reply, engine.submit(submission))),
            Self::Claim(agent, request, reply) => claim(engine, waiting, answers, (&agent, request, reply)),
            Self::Inventory(agent, report, reply) => {
                answers.push(Answer::new(reply, engine.inventory(&agent, &report)));
            }
            Self::Cancel(id, by, reply) => answers.push(Answer::new(reply, engine.cancel(id, &by))),
            Self::Retry(id, by, reply) => answers.push(Answer::new(reply, engine.retry(id, &by))),
            Self::Sweep(reply) => answers.push(Answer::new(reply, Ok(engine.sweep()))),
            Self::Status(reply) => answers.push(Answer::new(reply, Ok(engine.status()))),
            Self::Confirm(by, reply) => answers.push(Answer::new(reply, Ok(engine.confirm_restore(&by)))),
            Self::Prune(reply) => answers.push(Answer::new(reply, Ok(engine.prune_found()))),
            Self::Stats(reply) => answers.push(Answer::new(reply, Ok(engine.stats()))),
            Self::Hosts(reply) => answers.push(Answer::new(reply, Ok(engine.hosts().values().cloned().collect()))),
        }
    }

    /// Whether another server passed it on and does not wait any more, or it is taken up anew in another term.
    #[cfg(feature = "postgres")]
    pub(super) fn is_taken_back(&self) -> bool {
        match self {
            Self::Submit(_, reply) => reply.is_taken_back(),
            Self::Claim(_, _, reply) => reply.is_taken_back(),
            Self::Inventory(_, _, reply) => reply.is_taken_back(),
            Self::Cancel(_, _, reply) | Self::Retry(_, _, reply) => reply.is_taken_back(),
            Self::Sweep(reply) => reply.is_taken_back(),
            Self::Status(reply) | Self::Confirm(_, reply) => reply.is_taken_back(),
            Self::Prune(reply) => reply.is_taken_back(),
            Self::Stats(reply) => reply.is_taken_back(),
            Self::Hosts(reply) => reply.is_taken_back(),
        }
    }

    /// Tells the caller that nothing came of it.
    pub(super) fn refuse(self, error: &SqlError) {
        match self {
            Self::Submit(_, reply) => reply.send(Err(not_kept(error))),
            Self::Claim(_, _, reply) => reply.send(Err(not_kept(error))),
            Self::Inventory(_, _, reply) => reply.send(Err(not_kept(error))),
            Self::Cancel(_, _, reply) | Self::Retry(_, _, reply) => reply.send(Err(not_kept(error))),
            Self::Sweep(reply) => reply.send(Err(not_kept(error))),
            Self::Status(reply) | Self::Confirm(_, reply) => reply.send(Err(not_kept(error))),
            Self::Prune(reply) => reply.send(Err(not_kept(error))),
            Self::Stats(reply) => reply.send(Err(not_kept(error))),
            Self::Hosts(reply) => reply.send(Err(not_kept(error))),
        }
    }
}

fn claim(
    engine: &mut Engine,
    waiting: &mut Waiting,
    answers: &mut Vec<Answer>,
    (agent, request, reply): (&AgentId, ClaimRequest, Reply<ClaimAnswer>),
) {
    if reply.is_closed() {
        return;
    }
    let replaced = waiting.replace(engine, agent, &request);
    answers.extend(replaced.into_iter().map(Answer::from));
    match engine.claim(agent, request) {
        Ok(ClaimStep::Answer(answer)) => answers.push(Answer::new(reply, Ok(answer))),
        Err(error) => answers.push(Answer::new(reply, Err(error))),
        Ok(ClaimStep::Wait(waiter)) => {
            let (_, crowded_out) = waiting.add(engine, waiter, reply);
            answers.extend(crowded_out.map(Answer::from));
        }
    }
}

impl From<crate::store::waiting::Ended> for Answer {
    fn from(ended: crate::store::waiting::Ended) -> Self {
        let (reply, answer) = ended.into_parts();
        Self::new(reply, answer)
    }
}
