//! What an image in memory does once a container runs it.

use std::time::Duration;

/// An image of the memory engine: a script that its containers follow. The default is a server that runs until it
/// is stopped, and whose health check, if the container has one, says yes at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryImage {
    pub(super) missing: bool,
    pub(super) pull_time: Duration,
    pub(super) exit: Option<(Duration, i64)>,
    pub(super) health: HealthScript,
    pub(super) stop_time: Duration,
    pub(super) lines: Vec<String>,
}

/// What the health check of a container says as time goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthScript {
    /// Healthy after this time.
    HealthyAfter(Duration),
    /// Unhealthy after this time.
    UnhealthyAfter(Duration),
}

impl Default for HealthScript {
    fn default() -> Self {
        Self::HealthyAfter(Duration::ZERO)
    }
}

impl MemoryImage {
    /// A server that runs until it is stopped.
    #[must_use]
    pub fn server() -> Self {
        Self::default()
    }

    /// No registry has it.
    #[must_use]
    pub fn missing() -> Self {
        Self { missing: true, ..Self::default() }
    }

    /// Its containers end by themselves with this code, so long after each start.
    #[must_use]
    pub fn exiting(after: Duration, exit_code: i64) -> Self {
        Self { exit: Some((after, exit_code)), ..Self::default() }
    }

    /// The health check of its containers says yes, so long after each start.
    #[must_use]
    pub fn healthy_after(mut self, after: Duration) -> Self {
        self.health = HealthScript::HealthyAfter(after);
        self
    }

    /// The health check of its containers says no, so long after each start.
    #[must_use]
    pub fn unhealthy_after(mut self, after: Duration) -> Self {
        self.health = HealthScript::UnhealthyAfter(after);
        self
    }

    /// Pulling it takes so long.
    #[must_use]
    pub fn pulled_in(mut self, time: Duration) -> Self {
        self.pull_time = time;
        self
    }

    /// Its containers take so long to end when they are stopped; they are killed when that is more than they get.
    #[must_use]
    pub fn stopping_in(mut self, time: Duration) -> Self {
        self.stop_time = time;
        self
    }

    /// Its containers write these lines at each start.
    #[must_use]
    pub fn writing(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.lines = lines.into_iter().map(Into::into).collect();
        self
    }
}
