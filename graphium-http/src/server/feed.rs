//! Events for one reader, always from the table: a slow reader reads later and loses nothing, and a wake-up is
//! only a hint.

use std::sync::Arc;

use graphium_core::event::Event;
use graphium_core::id::Seq;
use graphium_core::store::{EventFilter, StoreError, TaskStore};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::limits::{STREAM_BATCH, STREAM_BEAT};

/// A place in the log that moves forward.
#[derive(Debug)]
pub(crate) struct Feed {
    store: Arc<dyn TaskStore>,
    filter: EventFilter,
    after: Seq,
    head: watch::Receiver<Seq>,
}

impl Feed {
    /// Events after this one; the ones to come when nothing is said.
    pub(crate) fn new(store: Arc<dyn TaskStore>, filter: EventFilter, after: Option<Seq>) -> Self {
        let head = store.head();
        let after = after.unwrap_or_else(|| *head.borrow());
        Self { store, filter, after, head }
    }

    /// The last number that was examined: whoever goes on after it misses nothing.
    pub(crate) fn place(&self) -> Seq {
        self.after
    }

    /// Whether the log goes on where this reader is.
    ///
    /// # Errors
    /// [`StoreErrorKind::Gone`](graphium_core::store::StoreErrorKind::Gone) when what follows was pruned.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        self.store.events(self.after, self.filter.clone(), 0).await.map(drop)
    }

    /// The next events, in order, at least one; or none when nothing came for a beat.
    ///
    /// # Cancel safety
    /// A dropped call has read nothing: the place moves only when the events are handed out.
    pub(crate) async fn next(&mut self) -> Result<Vec<Event>, StoreError> {
        let end = Instant::now() + STREAM_BEAT;
        loop {
            self.head.mark_unchanged();
            let (events, seen) = self.store.events(self.after, self.filter.clone(), STREAM_BATCH).await?;
            let moved = seen > self.after;
            self.after = self.after.max(seen);
            if !events.is_empty() {
                return Ok(events);
            }
            if moved && Instant::now() < end {
                continue;
            }
            tokio::select! {
                changed = self.head.changed() => {
                    if changed.is_err() {
                        // The store is gone; only the beat is left.
                        sleep_until(end).await;
                        return Ok(Vec::new());
                    }
                }
                () = sleep_until(end) => return Ok(Vec::new()),
            }
        }
    }
}
