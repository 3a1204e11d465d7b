//! Claims that wait for work, kept outside the engine because they hold channels.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::engine::{Engine, Waiter};
use super::reply::Reply;
use super::{ClaimAnswer, ClaimRequest, StoreError};
use crate::id::AgentId;

/// The most claims of one agent that may wait at a time; a further one ends the oldest wait.
pub(super) const MAX_WAITING_PER_AGENT: usize = 16;

/// What a claim ends with.
pub(super) type ClaimReply = Result<ClaimAnswer, StoreError>;

/// Every claim that waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last: u64,
    /// By agent and number. Boxed, since a map makes room for several at once, and thousands of agents wait.
    all: BTreeMap<(AgentId, u64), Box<Waits>>,
    ends: BTreeSet<(Instant, u64, AgentId)>,
}

#[derive(Debug)]
struct Waits {
    waiter: Waiter,
    until: Instant,
    reply: Reply<ClaimAnswer>,
}

/// A claim that is over, with its answer. Send it once what it tells of is kept.
#[derive(Debug)]
pub(super) struct Ended {
    reply: Reply<ClaimAnswer>,
    answer: ClaimReply,
}

impl Ended {
    /// An answer to a claim.
    pub(super) fn new(reply: Reply<ClaimAnswer>, answer: ClaimReply) -> Self {
        Self { reply, answer }
    }

    /// Whom to answer, and what.
    #[cfg(feature = "sql")]
    pub(super) fn into_parts(self) -> (Reply<ClaimAnswer>, ClaimReply) {
        (self.reply, self.answer)
    }

    /// Answers, unless nobody listens any more.
    pub(super) fn send(self) {
        self.reply.send(self.answer);
    }
}

impl Waiting {
    /// Lets a claim wait. Answers with its number, and with the oldest wait of the agent when there are too many.
    pub(super) fn add(
        &mut self,
        engine: &mut Engine,
        waiter: Waiter,
        reply: Reply<ClaimAnswer>,
    ) -> (u64, Option<Ended>) {
        let agent = waiter.agent.clone();
        self.forget_gone(&agent);
        let numbers = self.numbers(&agent, |_| true);
        let oldest = numbers.first().filter(|_| numbers.len() >= MAX_WAITING_PER_AGENT);
        let ended = oldest.and_then(|number| self.give_up(engine, &agent, *number));

        let until = Instant::now() + waiter.request.wait;
        self.last += 1;
        self.ends.insert((until, self.last, agent.clone()));
        self.all.insert((agent, self.last), Box::new(Waits { waiter, until, reply }));
        (self.last, ended)
    }

    /// Ends the wait of earlier calls that a later or repeated one replaces, without a lease for a caller that is gone.
    pub(super) fn replace(&mut self, engine: &mut Engine, agent: &AgentId, request: &ClaimRequest) -> Vec<Ended> {
        self.forget_gone(agent);
        let numbers = self.numbers(agent, |waits| replaces(request, &waits.waiter.request));
        numbers.into_iter().filter_map(|number| self.give_up(engine, agent, number)).collect()
    }

    /// Offers work to the claims of the agents that the engine has woken. One whose caller is gone takes nothing.
    pub(super) fn serve(&mut self, engine: &mut Engine) -> Vec<Ended> {
        let mut ended = Vec::new();
        for agent in engine.take_woken() {
            self.forget_gone(&agent);
            for number in self.numbers(&agent, |_| true) {
                let waits = self.all.get(&(agent.clone(), number));
                let answer = waits.and_then(|waits| engine.offer(&waits.waiter).transpose());
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
        let of_agent = self.all.range((agent.clone(), 0)..=(agent.clone(), u64::MAX));
        of_agent.filter(|(_, waits)| which(waits)).map(|((_, number), _)| *number).collect()
    }

    fn forget_gone(&mut self, agent: &AgentId) {
        for number in self.numbers(agent, |waits| waits.reply.is_closed()) {
            self.remove(agent, number);
        }
    }

    fn remove(&mut self, agent: &AgentId, number: u64) -> Option<Box<Waits>> {
        let waits = self.all.remove(&(agent.clone(), number))?;
        self.ends.remove(&(waits.until, number, agent.clone()));
        Some(waits)
    }

    /// When the next wait is over.
    #[cfg(feature = "sql")]
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(until, _, _)| *until)
    }

    /// Ends the waits that are over. One whose caller is gone does not renew the lease: its agent may be dead.
    #[cfg(feature = "sql")]
    pub(super) fn end_overdue(&mut self, engine: &mut Engine) -> Vec<Ended> {
        let mut ended = Vec::new();
        for (number, agent) in self.overdue() {
            self.forget_gone(&agent);
            ended.extend(self.give_up(engine, &agent, number));
        }
        ended
    }

    /// Takes out the waits that are over, for want of an engine that could answer them.
    #[cfg(feature = "sql")]
    pub(super) fn take_overdue(&mut self) -> Vec<Reply<ClaimAnswer>> {
        let overdue = self.overdue().into_iter();
        overdue.filter_map(|(number, agent)| self.remove(&agent, number)).map(|waits| waits.reply).collect()
    }

    #[cfg(feature = "sql")]
    fn overdue(&self) -> Vec<(u64, AgentId)> {
        let now = Instant::now();
        let over = self.ends.iter().take_while(|(until, _, _)| *until <= now);
        over.map(|(_, number, agent)| (*number, agent.clone())).collect()
    }

    /// The number of the newest wait.
    #[cfg(feature = "sql")]
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes out the waits that are newer than this one.
    #[cfg(feature = "sql")]
    pub(super) fn take_newer(&mut self, last: u64) -> Vec<Reply<ClaimAnswer>> {
        let newer: Vec<_> = self.ends.iter().filter(|(_, number, _)| *number > last).cloned().collect();
        newer
            .into_iter()
            .filter_map(|(_, number, agent)| self.remove(&agent, number))
            .map(|waits| waits.reply)
            .collect()
    }

    /// Ends every wait.
    #[cfg(feature = "sql")]
    pub(super) fn end_all(&mut self, engine: &mut Engine) -> Vec<Ended> {
        let all: Vec<_> = self.ends.iter().cloned().collect();
        all.into_iter().filter_map(|(_, number, agent)| self.give_up(engine, &agent, number)).collect()
    }
}

/// Whether nobody waits for the answer to `earlier` any more, now that this call has come.
fn replaces(request: &ClaimRequest, earlier: &ClaimRequest) -> bool {
    if request.session != earlier.session {
        return false;
    }
    let same = request.claim_id == earlier.claim_id;
    match (earlier.call, request.call) {
        (Some(earlier), Some(call)) => earlier < call || (earlier == call && same),
        (None, _) | (_, None) => same,
    }
}

#[cfg(feature = "sql")]
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::id::SessionId;
    use crate::store::StoreSettings;
    use crate::store::engine::ClaimStep;

    struct Bench {
        engine: Engine,
        waiting: Waiting,
        agent: AgentId,
        request: ClaimRequest,
    }

    /// A claim waits, and nearly as long as its wait has passed.
    fn waiting_claim() -> (Bench, super::super::reply::Receiver<ClaimAnswer>) {
        let mut engine = Engine::new(StoreSettings::default(), 7);
        let agent = AgentId::new("vm1").unwrap();
        let request = ClaimRequest::hello(SessionId::generate(), "m1").asking(1, Duration::from_secs(10));
        let Ok(ClaimStep::Wait(waiter)) = engine.claim(&agent, request.clone()) else { panic!("nothing is there") };
        let (reply, receiver) = Reply::channel();
        let mut waiting = Waiting::default();
        waiting.add(&mut engine, waiter, reply);
        engine.advance(Timestamp::EPOCH.after(Duration::from_secs(9)));
        (Bench { engine, waiting, agent, request }, receiver)
    }

    impl Bench {
        fn lease_end(&self) -> Timestamp {
            self.engine.hosts()[&self.agent].lease_expires_at
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_over_renews_the_lease_only_for_a_caller_that_listens() {
        for listens in [true, false] {
            let (mut bench, receiver) = waiting_claim();
            let before = bench.lease_end();
            let receiver = listens.then_some(receiver);
            tokio::time::advance(Duration::from_secs(10)).await;

            let ended = bench.waiting.end_overdue(&mut bench.engine);

            assert_eq!((ended.len(), bench.lease_end() > before), (usize::from(listens), listens));
            assert_eq!(bench.waiting.next_end(), None);
            drop(receiver);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_replaced_wait_renews_the_lease_only_for_a_caller_that_listens() {
        for listens in [true, false] {
            let (mut bench, receiver) = waiting_claim();
            let before = bench.lease_end();
            let receiver = listens.then_some(receiver);

            let ended = bench.waiting.replace(&mut bench.engine, &bench.agent, &bench.request);

            assert_eq!((ended.len(), bench.lease_end() > before), (usize::from(listens), listens));
            assert_eq!(bench.waiting.next_end(), None);
            drop(receiver);
        }
    }
}
