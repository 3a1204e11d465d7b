//! The agent's loop call: renew, report, and be given work.

use super::Engine;
use crate::clock::Timestamp;
use crate::id::{AgentId, Attempt, SessionId, TaskId};
use crate::store::{ClaimAnswer, ClaimRequest, Claimed, Directive, ReportReceipt, StoreError, StoreErrorKind};
use crate::task::{Lease, OverBound, TaskEvent};

/// What becomes of a claim.
#[derive(Debug)]
pub(in crate::store) enum ClaimStep {
    /// It is answered.
    Answer(ClaimAnswer),
    /// There is nothing to say yet: it may wait.
    Wait(Waiter),
}

/// A claim that waits for something to say.
#[derive(Debug, Clone)]
pub(in crate::store) struct Waiter {
    pub(in crate::store) agent: AgentId,
    pub(in crate::store) request: ClaimRequest,
    received_at: Timestamp,
    receipts: Vec<ReportReceipt>,
}

impl Engine {
    /// Takes the loop call of an agent.
    pub(in crate::store) fn claim(&mut self, agent: &AgentId, request: ClaimRequest) -> Result<ClaimStep, StoreError> {
        request.validate().map_err(|over| over_bound(agent, &over))?;
        self.check_call(agent, &request)?;
        self.admit(agent, request.session, &request.machine)?;
        self.note_call(agent, &request);
        let receipts = self.take_reports(agent, &request);
        self.take_progress(agent, &request);
        let waiter = Waiter { agent: agent.clone(), request, received_at: self.now, receipts };
        Ok(match self.give(&waiter) {
            Some(answer) => ClaimStep::Answer(answer),
            None => {
                self.outlive_wait(&waiter);
                ClaimStep::Wait(waiter)
            }
        })
    }

    /// Refuses a call that arrives after a later one of its session: nobody waits for its answer any more, so it must take
    /// no work and keep no session alive.
    fn check_call(&self, agent: &AgentId, request: &ClaimRequest) -> Result<(), StoreError> {
        let Some((host, call)) = self.hosts.get(agent).zip(request.call) else { return Ok(()) };
        if host.session == request.session && call < host.last_call {
            let (session, last) = (request.session, host.last_call);
            let message = format!("call {call} of session {session} came after call {last} and changes nothing");
            return Err(StoreError::new(StoreErrorKind::Conflict, message));
        }
        Ok(())
    }

    fn note_call(&mut self, agent: &AgentId, request: &ClaimRequest) {
        if let Some((host, call)) = self.hosts.get_mut(agent).zip(request.call) {
            host.last_call = host.last_call.max(call);
        }
    }

    /// Offers work to a claim that has waited. None when there is still nothing to say.
    pub(in crate::store) fn offer(&mut self, waiter: &Waiter) -> Result<Option<ClaimAnswer>, StoreError> {
        self.check_session(&waiter.agent, waiter.request.session)?;
        Ok(self.give(waiter).map(|answer| self.renewed(waiter, answer)))
    }

    /// The answer to a claim that nothing has come for.
    pub(in crate::store) fn give_up(&mut self, waiter: &Waiter) -> Result<ClaimAnswer, StoreError> {
        self.check_session(&waiter.agent, waiter.request.session)?;
        let receipts = waiter.receipts.clone();
        Ok(self.renewed(waiter, ClaimAnswer { receipts, ..ClaimAnswer::default() }))
    }

    /// An answer after a wait starts the lease again.
    fn renewed(&mut self, waiter: &Waiter, answer: ClaimAnswer) -> ClaimAnswer {
        self.renew(&waiter.agent);
        ClaimAnswer { lease: self.lease_of(waiter), attempts_ended: self.attempts_ended(&waiter.agent), ..answer }
    }

    /// A session does not end while the claim by which it was renewed still waits.
    fn outlive_wait(&mut self, waiter: &Waiter) {
        let wait = self.now.after(waiter.request.wait + self.settings.lease / 3);
        if let Some(host) = self.hosts.get_mut(&waiter.agent) {
            host.lease_expires_at = host.lease_expires_at.max(wait);
            self.presence.insert(waiter.agent.clone());
        }
    }

    /// How long the session lives, counted from the arrival of the request.
    fn lease_of(&self, waiter: &Waiter) -> std::time::Duration {
        self.hosts
            .get(&waiter.agent)
            .map_or(self.settings.lease, |host| host.lease_expires_at.since(waiter.received_at))
    }

    fn attempts_ended(&self, agent: &AgentId) -> u64 {
        self.hosts.get(agent).map_or(0, |host| host.attempts_ended)
    }

    fn give(&mut self, waiter: &Waiter) -> Option<ClaimAnswer> {
        let (agent, request) = (&waiter.agent, &waiter.request);
        let (directives, news) = self.directives(agent, request);
        let mut claims = self.pinned(agent, request);
        if claims.is_empty() && !self.is_held() {
            claims = match request.only {
                Some(only) => self.take_only(agent, request, only),
                None => self.take_first(agent, request),
            };
        }
        let may_wait = request.slots > 0 && request.only.is_none() && !request.wait.is_zero();
        if may_wait && claims.is_empty() && !news {
            return None;
        }
        self.note_told(agent, &directives);
        let receipts = waiter.receipts.clone();
        let attempts_ended = self.attempts_ended(agent);
        Some(ClaimAnswer { lease: self.lease_of(waiter), claims, directives, receipts, attempts_ended })
    }

    /// What was given under this claim id before and is still held.
    fn pinned(&self, agent: &AgentId, request: &ClaimRequest) -> Vec<Claimed> {
        let pinned = |id: TaskId| {
            let task = &self.tasks.get(&id)?.task;
            let lease = task.state.lease()?;
            let same = task.claim_id == Some(request.claim_id) && lease.session == request.session;
            same.then(|| (lease.assigned_at, task.order(), self.claimed(id)))
        };
        let mut claims: Vec<_> = self.queues.held(agent).filter_map(pinned).collect();
        claims.sort_by_key(|(at, order, _)| (*at, *order));
        claims.into_iter().filter_map(|(_, _, claimed)| claimed).collect()
    }

    fn take_first(&mut self, agent: &AgentId, request: &ClaimRequest) -> Vec<Claimed> {
        let mut claims = Vec::new();
        while claims.len() < request.slots {
            let Some(id) = self.queues.first(agent) else { break };
            self.assign(id, request);
            claims.extend(self.claimed(id));
        }
        claims
    }

    fn take_only(&mut self, agent: &AgentId, request: &ClaimRequest, only: TaskId) -> Vec<Claimed> {
        let claimable = self.tasks.get(&only).is_some_and(|entry| entry.task.agent() == agent && entry.is_claimable());
        if request.slots == 0 || !claimable {
            return Vec::new();
        }
        self.assign(only, request);
        self.claimed(only).into_iter().collect()
    }

    fn claimed(&self, id: TaskId) -> Option<Claimed> {
        let task = self.tasks.get(&id)?.task.clone();
        let deadline = self.away.deadline_of(task.state.lease()?).since(self.now);
        Some(Claimed { task, deadline })
    }

    fn assign(&mut self, id: TaskId, request: &ClaimRequest) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let (since, attempt) = (entry.claimable_since(), self.next_attempt(entry.task.attempt));
        let lease = Lease {
            session: request.session,
            attempt,
            assigned_at: self.now,
            deadline: self.now.after(entry.task.spec.timeout),
            cancel: None,
        };
        let actor = format!("agent:{}", entry.task.agent());
        self.must_step_with(id, TaskEvent::Claim { lease }, &actor, |task| {
            task.attempt = attempt;
            task.claim_id = Some(request.claim_id);
        });
        if let Some(since) = since {
            self.sample_wait(since);
        }
    }

    /// The orders about what the agent works on, and whether one of them is new to it.
    fn directives(&self, agent: &AgentId, request: &ClaimRequest) -> (Vec<Directive>, bool) {
        let reported = |id| request.reports.iter().any(|report| report.task == id);
        let lost = request
            .running
            .iter()
            .filter(|r| !reported(r.task) && !self.holds(agent, request.session, r.task, r.attempt))
            .map(|running| Directive::Lost { task: running.task, attempt: running.attempt });
        let directives: Vec<_> = self.wishes(agent, request.session).chain(lost).collect();
        let told = self.told.get(agent);
        let is_news = |directive: &Directive| told.is_none_or(|told| !told.contains(&Order::of(directive)));
        let news = directives.iter().any(is_news);
        (directives, news)
    }

    fn wishes(&self, agent: &AgentId, session: SessionId) -> impl Iterator<Item = Directive> {
        self.queues.held(agent).filter_map(move |id| {
            let lease = self.tasks.get(&id)?.task.state.lease().filter(|lease| lease.session == session)?;
            let cancel = lease.cancel.as_ref()?;
            Some(Directive::Cancel { task: id, attempt: lease.attempt, reason: cancel.reason.clone() })
        })
    }

    /// Remembers what the agent has been told, so that the same order does not cut short each of its waits.
    fn note_told(&mut self, agent: &AgentId, directives: &[Directive]) {
        if directives.is_empty() {
            self.told.remove(agent);
        } else {
            self.told.insert(agent.clone(), directives.iter().map(Order::of).collect());
        }
    }
}

/// The error for a call of an agent that is over a bound.
pub(super) fn over_bound(agent: &AgentId, over: &OverBound) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, format!("agent {agent} sends {over}"))
}

/// What tells two directives apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Cancel(TaskId, Attempt),
    Lost(TaskId, Attempt),
}

impl Order {
    fn of(directive: &Directive) -> Self {
        match directive {
            Directive::Cancel { task, attempt, .. } => Self::Cancel(*task, *attempt),
            Directive::Lost { task, attempt } => Self::Lost(*task, *attempt),
        }
    }
}
