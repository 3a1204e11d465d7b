//! Sessions that were taken over from: each is over for good, and the newest of each agent are remembered.

use std::collections::{HashMap, VecDeque};

use super::Engine;
use crate::id::{AgentId, Seq, SessionId};

/// How many ended sessions of one agent are remembered. A process whose session is over hears of it at its next call, so
/// only one that was frozen while so many others began and ended could come back as if it were new.
pub const MAX_ENDED_SESSIONS: usize = 64;

/// The ended sessions of every agent, oldest first, each with the event that told of its end.
#[derive(Debug, Default)]
pub(in crate::store) struct EndedSessions(HashMap<AgentId, VecDeque<(Seq, SessionId)>>);

impl EndedSessions {
    /// Notes one more; answers with one that is too old to be remembered.
    pub(in crate::store) fn insert(&mut self, agent: &AgentId, at: Seq, session: SessionId) -> Option<SessionId> {
        let sessions = self.0.entry(agent.clone()).or_default();
        sessions.push_back((at, session));
        if sessions.len() > MAX_ENDED_SESSIONS { sessions.pop_front().map(|(_, session)| session) } else { None }
    }

    pub(super) fn contains(&self, agent: &AgentId, session: SessionId) -> bool {
        self.0.get(agent).is_some_and(|sessions| sessions.iter().any(|(_, ended)| *ended == session))
    }

    /// By which event a session ended, if that is remembered.
    #[cfg(feature = "sql")]
    pub(in crate::store) fn ended_at(&self, agent: &AgentId, session: SessionId) -> Option<Seq> {
        let sessions = self.0.get(agent)?;
        sessions.iter().find(|(_, ended)| *ended == session).map(|(at, _)| *at)
    }
}

impl Engine {
    /// Ends a session for good. The event that tells of it is the newest one.
    pub(super) fn end_session(&mut self, agent: &AgentId, session: SessionId) {
        self.changes.ended.insert((agent.clone(), session));
        if let Some(oldest) = self.ended.insert(agent, self.head, session) {
            self.changes.ended.insert((agent.clone(), oldest));
        }
    }
}
