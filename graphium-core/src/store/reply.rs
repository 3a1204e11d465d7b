//! Where the answer to a call goes: to a caller of this process, or to another server that passed the call on.

#[cfg(feature = "postgres")]
use std::sync::Arc;

use tokio::sync::oneshot;

use super::StoreError;
#[cfg(feature = "postgres")]
use super::sql::PassedOn;

/// Waits for the answer to a call.
pub(super) type Receiver<T> = oneshot::Receiver<Result<T, StoreError>>;

/// The end at which the answer to a call is given.
#[derive(Debug)]
pub(super) struct Reply<T> {
    to: To<T>,
}

/// Whom an answer is for.
#[derive(Debug)]
pub(super) enum To<T> {
    Here(oneshot::Sender<Result<T, StoreError>>),
    /// Another server hears it by the database.
    #[cfg(feature = "postgres")]
    Away(Arc<PassedOn>),
}

impl<T> Reply<T> {
    /// Both ends.
    pub(super) fn channel() -> (Self, Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self { to: To::Here(sender) }, receiver)
    }

    /// The answer is for another server.
    #[cfg(feature = "postgres")]
    pub(super) fn away(call: Arc<PassedOn>) -> Self {
        Self { to: To::Away(call) }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_closed(&self) -> bool {
        match &self.to {
            To::Here(sender) => sender.is_closed(),
            #[cfg(feature = "postgres")]
            To::Away(call) => call.is_gone(),
        }
    }

    /// Whether another server passed the call on and nobody waits for its answer.
    #[cfg(feature = "postgres")]
    pub(super) fn is_taken_back(&self) -> bool {
        matches!(&self.to, To::Away(call) if call.is_gone())
    }

    /// Whom it is for.
    #[cfg(feature = "sql")]
    pub(super) fn into_parts(self) -> To<T> {
        self.to
    }

    /// Answers whoever is here. What another server passed on is taken up again where it may succeed later.
    pub(super) fn send(self, answer: Result<T, StoreError>) {
        match self.to {
            // Nobody may listen any more; what was asked for is done all the same.
            To::Here(sender) => drop(sender.send(answer)),
            #[cfg(feature = "postgres")]
            To::Away(call) => match answer {
                Err(error) if !error.is_retryable() => call.refuse(&error),
                _ => call.let_go(),
            },
        }
    }
}
