//! What an agent is told when it starts.

use std::time::Duration;

use crate::id::AgentId;
use crate::store::{MAX_SLOTS, MAX_WAIT};

/// How many tasks an agent runs at once when nothing is said.
pub const DEFAULT_SLOTS: usize = 8;

/// The settings of an agent. [`Agent::new`](super::Agent::new) checks them, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Which agent, and so which host, it is.
    pub id: AgentId,
    /// The machine it runs on. A restart on the same machine takes over at once; another machine has to wait.
    pub machine: String,
    /// How many tasks run at once, from 1 to [`MAX_SLOTS`].
    pub slots: usize,
    /// How long an idle agent waits for work in one call, at most [`MAX_WAIT`].
    pub poll_wait: Duration,
    /// How often the whole engine is looked at, changes or not.
    pub inventory_interval: Duration,
    /// How long running work may go on after a wish to stop, before it is handed back.
    pub stop_grace: Duration,
    /// How long work gets to end by itself after a cancel before it is dropped.
    pub cancel_grace: Duration,
    /// How long the store may take to answer, beyond the wait that was asked for.
    pub call_timeout: Duration,
    /// Seeds the jitter between repeated calls, for a simulation that must repeat. None draws a seed.
    pub seed: Option<u64>,
}

/// A setting out of its limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// No machine.
    #[error("an agent needs the name of its machine, which is empty")]
    Machine,
    /// Too few or too many slots.
    #[error("an agent has 1 to {MAX_SLOTS} slots, not {given}")]
    Slots {
        /// What was given.
        given: usize,
    },
    /// Too long a wait.
    #[error("an agent waits for work up to {MAX_WAIT:?} in one call, not {given:?}")]
    Wait {
        /// What was given.
        given: Duration,
    },
    /// A duration that must not be zero.
    #[error("{setting} of an agent must be more than zero")]
    Zero {
        /// Which.
        setting: &'static str,
    },
}

impl AgentConfig {
    /// The defaults: [`DEFAULT_SLOTS`] slots, calls that wait 30 s, a full scan each minute, 30 s to finish when stopped.
    #[must_use]
    pub fn new(id: AgentId, machine: impl Into<String>) -> Self {
        Self {
            id,
            machine: machine.into(),
            slots: DEFAULT_SLOTS,
            poll_wait: MAX_WAIT,
            inventory_interval: Duration::from_secs(60),
            stop_grace: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            seed: None,
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        if self.machine.is_empty() {
            return Err(InvalidConfig::Machine);
        }
        if self.slots == 0 || self.slots > MAX_SLOTS {
            return Err(InvalidConfig::Slots { given: self.slots });
        }
        if self.poll_wait > MAX_WAIT {
            return Err(InvalidConfig::Wait { given: self.poll_wait });
        }
        let durations = [("inventory_interval", self.inventory_interval), ("call_timeout", self.call_timeout)];
        match durations.into_iter().find(|(_, duration)| duration.is_zero()) {
            Some((setting, _)) => Err(InvalidConfig::Zero { setting }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> AgentConfig {
        AgentConfig::new(AgentId::new("vm1").unwrap(), "machine")
    }

    #[test]
    fn slots_range_from_one_to_their_limit() {
        for (slots, fits) in [(0, false), (1, true), (MAX_SLOTS, true), (MAX_SLOTS + 1, false)] {
            assert_eq!(AgentConfig { slots, ..config() }.validate().is_ok(), fits, "{slots}");
        }
    }

    #[test]
    fn a_wait_over_the_limit_is_refused_with_the_limit() {
        let error = AgentConfig { poll_wait: MAX_WAIT * 2, ..config() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "an agent waits for work up to 30s in one call, not 60s");
    }

    #[test]
    fn an_agent_without_a_machine_or_an_interval_is_refused() {
        assert_eq!(AgentConfig { machine: String::new(), ..config() }.validate(), Err(InvalidConfig::Machine));
        let never = AgentConfig { inventory_interval: Duration::ZERO, ..config() };
        assert_eq!(never.validate(), Err(InvalidConfig::Zero { setting: "inventory_interval" }));
    }
}
