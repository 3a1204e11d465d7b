//! The end of a batch that was on its way: kept, or taken back with all that were done on top of it.

use std::collections::HashSet;

use super::Writer;
use crate::clock::Clock;
use crate::store::ClaimAnswer;
use crate::store::engine::Engine;
use crate::store::reply::Reply;
use crate::store::sql::command::{Answer, chain, not_kept};
use crate::store::sql::database::Database;
use crate::store::sql::error::SqlError;
use crate::store::sql::flight::Flight;

impl<D: Database> Writer<D> {
    /// Answers for the oldest batch on its way, now that its end is known.
    pub(super) async fn land(&mut self, kept: Result<(), SqlError>) {
        let Some(flight) = self.flights.pop_front() else { return };
        match kept {
            Ok(()) => self.arrive(flight),
            Err(error) => self.fail(flight, &error).await,
        }
    }

    pub(super) fn arrive(&mut self, flight: Flight) {
        self.evict(&flight);
        self.setup.records.lands(flight.records());
        self.setup.head.send_if_modified(|head| std::mem::replace(head, flight.head) != flight.head);
        flight.answers.into_iter().for_each(Answer::send);
    }

    /// Takes back a batch that is not kept, and with it all that were done on top of it.
    pub(super) async fn fail(&mut self, flight: Flight, error: &SqlError) {
        tracing::error!(error = %chain(error), "the store could not commit; it goes back to what is kept");
        (self.stale, self.failures) = (true, self.failures + 1);
        self.crash(flight, error);
        while let Some(flight) = self.flights.pop_front() {
            drop(self.database.kept().await);
            self.crash(flight, error);
        }
        if let Err(error) = self.reload().await {
            tracing::warn!(error = %chain(&error), "the store could not go back yet; it tries again at the next call");
        }
    }

    pub(super) async fn land_all(&mut self) {
        while !self.flights.is_empty() {
            let kept = self.database.kept().await;
            self.land(kept).await;
        }
    }

    /// Tells everybody whom a batch would have answered that it was not kept. Waits that began in it are over, too: what
    /// their claims reported is lost, so they must not hear that it was accepted.
    pub(super) fn crash(&mut self, flight: Flight, error: &SqlError) {
        self.setup.records.lands(flight.records());
        flight.answers.into_iter().for_each(|answer| answer.refuse(error));
        refuse(self.waiting.take_newer(flight.last_wait), error);
    }

    /// Lets go of what has been kept and of what was read for it, unless a batch on its way has changed it again.
    fn evict(&mut self, landed: &Flight) {
        let flying: HashSet<_> = self.flights.iter().flat_map(Flight::tasks).collect();
        self.engine.evict(landed.tasks().filter(|id| !flying.contains(id)));
        let flights = &self.flights;
        self.engine.evict_records(|key| !flights.iter().any(|flight| flight.has_record(key)));
    }

    /// Throws the memory away and reads it again, on connections that are not in the middle of anything. The store was
    /// away, not the agents: their sessions get a lease of grace.
    pub(super) async fn reload(&mut self) -> Result<(), SqlError> {
        let reopened = self.database.reopen().await;
        self.unseated = matches!(reopened, Err(SqlError::Unseated));
        reopened?;
        let mut engine = Engine::new(self.setup.settings, self.setup.seed);
        self.database.restore(&mut engine).await?;
        // Another server may have decided in between, by a clock that is ahead.
        self.setup.clock.go_on_from(engine.now());
        engine.advance(self.setup.clock.now());
        engine.condemn_unreadable();
        engine.grant_grace();
        self.engine = engine;
        self.setup.head.send_if_modified(|head| std::mem::replace(head, self.engine.head()) != self.engine.head());
        self.stale = false;
        Ok(())
    }
}

/// Tells those who waited that nothing came of it.
pub(super) fn refuse(waits: Vec<Reply<ClaimAnswer>>, error: &SqlError) {
    for reply in waits {
        reply.send(Err(not_kept(error)));
    }
}
