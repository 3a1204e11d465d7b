//! Calls that another server passed on to the one that decides.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use super::command::Command;
use crate::id::{AgentId, TaskId};
use crate::store::reply::Reply;
use crate::store::{ClaimRequest, InventoryReport, MAX_WAIT, StoreError, StoreErrorKind, Submission};

/// What a server was asked, as it passes that on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store::sql) enum Asked {
    Submit(Submission),
    Claim(AgentId, ClaimRequest),
    Inventory(AgentId, InventoryReport),
    Cancel(TaskId, String),
    Retry(TaskId, String),
    Sweep,
    Prune,
    Status,
    Confirm(String),
    Stats,
    Hosts,
}

/// Somebody who waits for the answer to what was passed on.
pub(in crate::store::sql) trait Awaits: Send + Sync {
    /// Whether nobody waits any more.
    fn is_gone(&self) -> bool;

    /// Tells what the answer says, which is JSON of [`Told`].
    fn tell(self: Box<Self>, answer: Result<&str, StoreError>);
}

impl<T: DeserializeOwned + Send + 'static> Awaits for Reply<T> {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }

    fn tell(self: Box<Self>, answer: Result<&str, StoreError>) {
        let told = answer.and_then(|text| {
            let unreadable = |error| {
                let message =
                    format!("the answer of the server that decides cannot be read: {error}; is it of another version?");
                StoreError::new(StoreErrorKind::Internal, message)
            };
            serde_json::from_str::<Told<T>>(text).map_err(unreadable)?.into()
        });
        self.send(told);
    }
}

impl Asked {
    /// How long an answer may take at most. What asks to wait for longer than a claim may is refused soon.
    pub(in crate::store::sql) fn patience(&self) -> Duration {
        const CALL: Duration = Duration::from_secs(60);
        match self {
            Self::Claim(_, request) => request.wait.min(MAX_WAIT) + CALL,
            Self::Submit(_)
            | Self::Inventory(..)
            | Self::Cancel(..)
            | Self::Retry(..)
            | Self::Sweep
            | Self::Prune
            | Self::Status
            | Self::Confirm(_)
            | Self::Stats
            | Self::Hosts => CALL,
        }
    }

    /// The same as a command here, whose answer goes back.
    pub(in crate::store::sql) fn into_command(self, call: Arc<PassedOn>) -> Command {
        match self {
            Self::Submit(submission) => Command::Submit(submission, Reply::away(call)),
            Self::Claim(agent, request) => Command::Claim(agent, request, Reply::away(call)),
            Self::Inventory(agent, report) => Command::Inventory(agent, report, Reply::away(call)),
            Self::Cancel(id, by) => Command::Cancel(id, by, Reply::away(call)),
            Self::Retry(id, by) => Command::Retry(id, by, Reply::away(call)),
            Self::Sweep => Command::Sweep(Reply::away(call)),
            Self::Prune => Command::Prune(Reply::away(call)),
            Self::Status => Command::Status(Reply::away(call)),
            Self::Confirm(by) => Command::Confirm(by, Reply::away(call)),
            Self::Stats => Command::Stats(Reply::away(call)),
            Self::Hosts => Command::Hosts(Reply::away(call)),
        }
    }
}

impl Command {
    /// What is to be passed on, and who waits for the answer.
    pub(in crate::store::sql) fn pass_on(self) -> (Asked, Box<dyn Awaits>) {
        match self {
            Self::Submit(submission, reply) => (Asked::Submit(submission), Box::new(reply)),
            Self::Claim(agent, request, reply) => (Asked::Claim(agent, request), Box::new(reply)),
            Self::Inventory(agent, report, reply) => (Asked::Inventory(agent, report), Box::new(reply)),
            Self::Cancel(id, by, reply) => (Asked::Cancel(id, by), Box::new(reply)),
            Self::Retry(id, by, reply) => (Asked::Retry(id, by), Box::new(reply)),
            Self::Sweep(reply) => (Asked::Sweep, Box::new(reply)),
            Self::Prune(reply) => (Asked::Prune, Box::new(reply)),
            Self::Status(reply) => (Asked::Status, Box::new(reply)),
            Self::Confirm(by, reply) => (Asked::Confirm(by), Box::new(reply)),
            Self::Stats(reply) => (Asked::Stats, Box::new(reply)),
            Self::Hosts(reply) => (Asked::Hosts, Box::new(reply)),
        }
    }
}

/// A call of another server, which has been taken up here.
#[derive(Debug)]
pub(in crate::store) struct PassedOn {
    id: Uuid,
    gone: AtomicBool,
    all: TakenUp,
}

/// The calls of other servers that are worked on in one term.
#[derive(Debug, Clone, Default)]
pub(in crate::store::sql) struct TakenUp(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    /// Rings when answers are kept.
    answered: Notify,
    /// Whether the term is over.
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Board {
    calls: HashMap<Uuid, Call>,
    /// Answers that tell of nothing to keep.
    refused: Vec<(Uuid, String)>,
    /// How often the table was looked at.
    looks: u64,
}

#[derive(Debug)]
struct Call {
    passed_on: Arc<PassedOn>,
    /// During which look its answer was kept. It stays until a later look, since the one that goes on may not see that yet.
    answered_in: Option<u64>,
}

impl PassedOn {
    /// Whether nobody waits for the answer any more, or the call is taken up anew in another term.
    pub(in crate::store) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || self.all.0.over.load(Ordering::Relaxed)
    }

    /// Lets it be taken up again: nothing came of it.
    pub(in crate::store) fn let_go(&self) {
        self.all.lock().calls.remove(&self.id);
    }

    /// Nothing comes of it, now or later.
    pub(in crate::store) fn refuse(&self, error: &StoreError) {
        let told = Told::<()>::Error { kind: error.kind().as_str().to_owned(), message: error.to_string() };
        match serde_json::to_string(&told) {
            Ok(answer) => self.all.lock().refused.push((self.id, answer)),
            Err(error) => tracing::error!(%error, "an error cannot be written"),
        }
        self.all.0.answered.notify_one();
    }

    /// Its answer is kept.
    pub(in crate::store::sql) fn answered(&self) {
        self.all.told(self.id);
        self.all.0.answered.notify_one();
    }

    pub(in crate::store::sql) fn id(&self) -> Uuid {
        self.id
    }
}

impl TakenUp {
    /// A look at the table begins.
    pub(in crate::store::sql) fn look(&self) {
        self.lock().looks += 1;
    }

    /// Whether this call has been taken up.
    pub(in crate::store::sql) fn has(&self, id: Uuid) -> bool {
        self.lock().calls.contains_key(&id)
    }

    /// Takes a call up; none when it has been taken up before.
    pub(in crate::store::sql) fn take(&self, id: Uuid) -> Option<Arc<PassedOn>> {
        let mut board = self.lock();
        if board.calls.contains_key(&id) {
            return None;
        }
        let passed_on = Arc::new(PassedOn { id, gone: AtomicBool::new(false), all: self.clone() });
        board.calls.insert(id, Call { passed_on: Arc::clone(&passed_on), answered_in: None });
        Some(passed_on)
    }

    /// Only these calls are open, as the look that has just been taken shows.
    pub(in crate::store::sql) fn only(&self, open: &HashSet<Uuid>) {
        let mut board = self.lock();
        let look = board.looks;
        board.calls.retain(|_, call| call.answered_in.is_none_or(|at| at >= look));
        for (_, call) in board.calls.iter().filter(|(id, _)| !open.contains(id)) {
            call.passed_on.gone.store(true, Ordering::Relaxed);
        }
    }

    /// Takes out the answers that tell of nothing to keep.
    pub(in crate::store::sql) fn refused(&self) -> Vec<(Uuid, String)> {
        std::mem::take(&mut self.lock().refused)
    }

    /// Such an answer is given.
    pub(in crate::store::sql) fn told(&self, id: Uuid) {
        let mut board = self.lock();
        let look = board.looks;
        if let Some(call) = board.calls.get_mut(&id) {
            call.answered_in = Some(look);
        }
    }

    /// Waits until answers are kept, or refused.
    pub(in crate::store::sql) async fn answered(&self) {
        self.0.answered.notified().await;
    }

    /// The term is over.
    pub(in crate::store::sql) fn end(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer on its way to another server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store::sql) enum Told<T> {
    Ok(T),
    Error { kind: String, message: String },
}

impl<T> From<Result<T, StoreError>> for Told<T> {
    fn from(answer: Result<T, StoreError>) -> Self {
        match answer {
            Ok(answer) => Self::Ok(answer),
            Err(error) => Self::Error { kind: error.kind().as_str().to_owned(), message: error.to_string() },
        }
    }
}

impl<T> From<Told<T>> for Result<T, StoreError> {
    fn from(told: Told<T>) -> Self {
        match told {
            Told::Ok(answer) => Ok(answer),
            Told::Error { kind, message } => {
                let kind = StoreErrorKind::ALL.into_iter().find(|known| known.as_str() == kind);
                Err(StoreError::new(kind.unwrap_or(StoreErrorKind::Internal), message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_taken_up_once_and_again_when_nothing_came_of_it() {
        let (taken, id) = (TakenUp::default(), Uuid::from_u128(1));
        let call = taken.take(id).unwrap();
        assert!(taken.take(id).is_none());
        call.let_go();
        assert!(taken.take(id).is_some());
    }

    #[test]
    fn a_look_that_began_before_an_answer_was_kept_takes_nothing_up_again() {
        let (taken, id) = (TakenUp::default(), Uuid::from_u128(1));
        taken.look();
        let call = taken.take(id).unwrap();
        taken.look();
        call.answered();
        taken.only(&[id].into());
        assert!(taken.take(id).is_none(), "this look may not have seen the answer");

        taken.look();
        taken.only(&HashSet::new());
        assert!(!taken.has(id), "a later look has");
    }

    #[test]
    fn whoever_takes_a_call_away_does_not_wait_any_more() {
        let (taken, id) = (TakenUp::default(), Uuid::from_u128(1));
        let call = taken.take(id).unwrap();
        taken.look();
        taken.only(&[id].into());
        assert!(!call.is_gone());
        taken.only(&HashSet::new());
        assert!(call.is_gone());
    }

    #[test]
    fn a_call_of_a_term_that_is_over_is_nobodys() {
        let taken = TakenUp::default();
        let call = taken.take(Uuid::from_u128(1)).unwrap();
        taken.end();
        assert!(call.is_gone());
    }

    #[test]
    fn an_error_comes_back_with_its_kind_and_its_words() {
        for kind in StoreErrorKind::ALL {
            let told = Told::<u32>::from(Err(StoreError::new(kind, "why")));
            let told: Told<u32> = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
            let error = Result::from(told).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, "why"));
        }
    }
}
