//! Claims that wait for work, kept outside the engine because they hold channels.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::engine::{Engine, Waiter};
use super::{ClaimAnswer, StoreError};
use crate::id::{AgentId, ClaimId, SessionId};

/// The most claims of one agent that may wait at a time; a further one ends the oldest wait.
pub(super) const MAX_WAITING_PER_AGENT: usize = 16;

/// What a claim ends with.
pub(super) type ClaimReply = Result<ClaimAnswer, StoreError>;

/// Every claim that waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last: u64,
    agents: BTreeMap<AgentId, BTreeMap<u64, Waits>>,
    ends: BTreeSet<(Instant, u64, AgentId)>,
}

#[derive(Debug)]
struct Waits {
    waiter: Waiter,
    until: Instant,
    reply: oneshot::Sender<ClaimReply>,
}

/// A claim that is over, with its answer. Send it once what it tells of is kept.
#[derive(Debug)]
pub(super) struct Ended {
    reply: oneshot::Sender<ClaimReply>,
    answer: ClaimReply,
}

impl Ended {
    /// An answer to a claim.
    pub(super) fn new(reply: oneshot::Sender<ClaimReply>, answer: ClaimReply) -> Self {
        Self { reply, answer }
    }

    /// Whom to answer, and what.
    #[cfg(feature = "sqlite")]
    pub(super) fn into_parts(self) -> (oneshot::Sender<ClaimReply>, ClaimReply) {
        (self.reply, self.answer)
    }

    /// Answers, unless nobody listens any more.
    pub(super) fn send(self) {
        drop(self.reply.send(self.answer));
    }
}

impl Waiting {
    /// Lets a claim wait. Answers with its number, and with the oldest wait of the agent when there are too many.
    pub(super) fn add(
        &mut self,
        engine: &mut Engine,
        waiter: Waiter,
        reply: oneshot::Sender<ClaimReply>,
    ) -> (u64, Option<Ended>) {
        let agent = waiter.agent.clone();
        self.forget_gone(&agent);
        let waits = self.agents.get(&agent);
        let oldest = waits.filter(|waits| waits.len() >= MAX_WAITING_PER_AGENT).and_then(|waits| waits.keys().next());
        let ended = oldest.copied().and_then(|number| self.give_up(engine, &agent, number));

        let until = Instant::now() + waiter.request.wait;
        self.last += 1;
        self.ends.insert((until, self.last, agent.clone()));
        self.agents.entry(agent).or_default().insert(self.last, Waits { waiter, until, reply });
        (self.last, ended)
    }

    /// Ends the wait of earlier calls that a repeated one replaces.
    pub(super) fn replace(
        &mut self,
        engine: &mut Engine,
        agent: &AgentId,
        session: SessionId,
        claim: ClaimId,
    ) -> Vec<Ended> {
        let same = |waits: &Waits| waits.waiter.request.session == session && waits.waiter.request.claim_id == claim;
        let numbers = self.numbers(agent, same);
        numbers.into_iter().filter_map(|number| self.give_up(engine, agent, number)).collect()
    }

    /// Offers work to the claims of the agents that the engine has woken. One whose caller is gone takes nothing.
    pub(super) fn serve(&mut self, engine: &mut Engine) -> Vec<Ended> {
        let mut ended = Vec::new();
        for agent in engine.take_woken() {
            self.forget_gone(&agent);
            for number in self.numbers(&agent, |_| true) {
                let waiter = self.agents.get(&agent).and_then(|waits| waits.get(&number)).map(|waits| &waits.waiter);
                let answer = waiter.and_then(|waiter| engine.offer(waiter).transpose());
                if let Some(answer) = answer {
                    ended.extend(self.remove(&agent, number).map(|waits| Ended::new(waits.reply, answer)));
                }
            }
        }
        ended
    }

    /// Ends a wait without work.
    pub(super) fn give_up(&mut self, engine: &mut Engine, agent: &AgentId, number: u64) -> Option<Ended> {
        let waits = self.remove(agent, number)?;
        let answer = engine.give_up(&waits.waiter);
        Some(Ended::new(waits.reply, answer))
    }

    fn numbers(&self, agent: &AgentId, which: impl Fn(&Waits) -> bool) -> Vec<u64> {
        let waits = self.agents.get(agent).into_iter().flatten();
        waits.filter(|(_, waits)| which(waits)).map(|(number, _)| *number).collect()
    }

    fn forget_gone(&mut self, agent: &AgentId) {
        for number in self.numbers(agent, |waits| waits.reply.is_closed()) {
            self.remove(agent, number);
        }
    }

    fn remove(&mut self, agent: &AgentId, number: u64) -> Option<Waits> {
        let of_agent = self.agents.get_mut(agent)?;
        let waits = of_agent.remove(&number)?;
        if of_agent.is_empty() {
            self.agents.remove(agent);
        }
        self.ends.remove(&(waits.until, number, agent.clone()));
        Some(waits)
    }

    /// When the next wait is over.
    #[cfg(feature = "sqlite")]
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(until, _, _)| *until)
    }

    /// Ends the waits that are over.
    #[cfg(feature = "sqlite")]
    pub(super) fn end_overdue(&mut self, engine: &mut Engine) -> Vec<Ended> {
        let now = Instant::now();
        let over: Vec<_> = self.ends.iter().take_while(|(until, _, _)| *until <= now).cloned().collect();
        over.into_iter().filter_map(|(_, number, agent)| self.give_up(engine, &agent, number)).collect()
    }

    /// Ends every wait.
    #[cfg(feature = "sqlite")]
    pub(super) fn end_all(&mut self, engine: &mut Engine) -> Vec<Ended> {
        let all: Vec<_> = self.ends.iter().cloned().collect();
        all.into_iter().filter_map(|(_, number, agent)| self.give_up(engine, &agent, number)).collect()
    }
}
