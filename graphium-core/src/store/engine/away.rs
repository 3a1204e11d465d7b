//! What a store that was away owes to those who could not reach it.

use super::Engine;
use crate::clock::Timestamp;
use crate::store::HostState;
use crate::task::Lease;

/// A stretch of time in which the store kept nothing: it was not running, or could not commit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Away {
    since: Timestamp,
    until: Timestamp,
}

impl Engine {
    /// Gives every session that was alive one lease more, and lets the time since the newest instant that was kept count
    /// for no deadline: the store was away, not the agents. How long it was away nobody knows for sure, since
    /// the wall clock may have been set meanwhile; each agent keeps its deadlines by a clock of its own.
    pub(in crate::store) fn grant_grace(&mut self) {
        self.away = Away { since: self.kept_at, until: self.now };
        let until = self.now.after(self.settings.lease);
        for (agent, host) in &mut self.hosts {
            if host.state == HostState::Ready && host.lease_expires_at < until {
                host.lease_expires_at = until;
                self.changes.hosts.insert(agent.clone());
            }
        }
        let held: Vec<_> =
            self.tasks.values().filter(|e| e.task.state.lease().is_some()).map(|e| e.task.id()).collect();
        for id in held {
            self.refresh(id);
        }
    }
}

impl Away {
    /// When the attempt of this lease has taken its time.
    pub(super) fn deadline_of(self, lease: &Lease) -> Timestamp {
        if lease.assigned_at > self.since { lease.deadline } else { lease.deadline.after(self.until.since(self.since)) }
    }
}
