//! A container in memory: a pure function of its script and the time.

use std::time::Duration;

use tokio::time::Instant;

use super::image::{HealthScript, MemoryImage};
use crate::deploy::{ContainerConfig, Inspection, LogLine, RuntimeContainer};
use crate::stack::{Health, InstanceState, PublishedPort, RestartPolicy};

/// How long the engine waits before it starts an ended container again.
pub(super) const RESTART_DELAY: Duration = Duration::from_millis(100);
/// The exit code of a container that was killed.
const KILLED: i64 = 137;

#[derive(Debug)]
pub(super) struct MemoryContainer {
    pub(super) id: String,
    pub(super) config: ContainerConfig,
    pub(super) image_id: String,
    pub(super) image: MemoryImage,
    pub(super) phase: Phase,
    pub(super) restart_count: u32,
    /// Grows with each start; stands for the time of it.
    pub(super) starts: u64,
    pub(super) ports: Vec<PublishedPort>,
    pub(super) lines: Vec<LogLine>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    Created,
    Running { since: Instant },
    Restarting { until: Instant, exit_code: i64 },
    Exited { exit_code: i64 },
}

impl MemoryContainer {
    /// Lets the script run up to `now`. Answers whether anything changed.
    pub(super) fn catch_up(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Some(at) = self.next_change().filter(|at| *at <= now) {
            changed = true;
            match self.phase {
                Phase::Running { .. } => {
                    let exit_code = self.image.exit.map_or(0, |(_, code)| code);
                    self.end(at, exit_code);
                }
                Phase::Restarting { .. } => {
                    self.restart_count += 1;
                    self.run(at);
                }
                Phase::Created | Phase::Exited { .. } => break,
            }
        }
        changed
    }

    /// When the script changes something next, seen from the last change.
    fn next_change(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { since } => self.image.exit.map(|(after, _)| since + after),
            Phase::Restarting { until, .. } => Some(until),
            Phase::Created | Phase::Exited { .. } => None,
        }
    }

    /// When somebody who watches should look again.
    pub(super) fn next_news(&self, now: Instant) -> Option<Instant> {
        let health = match self.phase {
            Phase::Running { since } if self.config.health_check.is_some() => Some(since + self.health_time()),
            Phase::Running { .. } | Phase::Created | Phase::Restarting { .. } | Phase::Exited { .. } => None,
        };
        self.next_change().into_iter().chain(health).filter(|at| *at > now).min()
    }

    fn health_time(&self) -> Duration {
        match self.image.health {
            HealthScript::HealthyAfter(after) | HealthScript::UnhealthyAfter(after) => after,
        }
    }

    pub(super) fn run(&mut self, now: Instant) {
        self.phase = Phase::Running { since: now };
        self.starts += 1;
        self.lines.extend(self.image.lines.iter().map(|text| LogLine { stderr: false, text: text.clone() }));
    }

    /// The process ended by itself: the restart policy decides what is next.
    pub(super) fn end(&mut self, at: Instant, exit_code: i64) {
        let again = match self.config.restart_policy {
            RestartPolicy::No => false,
            RestartPolicy::OnFailure { max_retries } => exit_code != 0 && self.restart_count < max_retries,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        };
        self.phase = if again {
            Phase::Restarting { until: at + RESTART_DELAY, exit_code }
        } else {
            Phase::Exited { exit_code }
        };
    }

    /// How long it takes to stop when it gets `timeout` seconds.
    pub(super) fn stopping_time(&self, timeout: Option<u32>) -> Duration {
        let grace = Duration::from_secs(u64::from(timeout.unwrap_or(self.config.stop_timeout)));
        self.image.stop_time.min(grace)
    }

    /// Somebody stopped it.
    pub(super) fn halt(&mut self, timeout: Option<u32>) {
        let killed = self.image.stop_time > self.stopping_time(timeout);
        match self.phase {
            Phase::Running { .. } => self.phase = Phase::Exited { exit_code: if killed { KILLED } else { 0 } },
            Phase::Restarting { exit_code, .. } => self.phase = Phase::Exited { exit_code },
            Phase::Created | Phase::Exited { .. } => {}
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Running { .. } | Phase::Restarting { .. })
    }

    fn state(&self) -> InstanceState {
        match self.phase {
            Phase::Created => InstanceState::Created,
            Phase::Running { .. } => InstanceState::Running,
            Phase::Restarting { .. } => InstanceState::Restarting,
            Phase::Exited { exit_code } => InstanceState::Exited { exit_code },
        }
    }

    fn health(&self, now: Instant) -> Health {
        if self.config.health_check.is_none() {
            return Health::None;
        }
        match (self.phase, self.image.health) {
            (Phase::Running { since }, HealthScript::HealthyAfter(after)) if now >= since + after => Health::Healthy,
            (Phase::Running { since }, HealthScript::UnhealthyAfter(after)) if now >= since + after => {
                Health::Unhealthy
            }
            _ => Health::Starting,
        }
    }

    pub(super) fn summary(&self, now: Instant) -> RuntimeContainer {
        RuntimeContainer {
            id: self.id.clone(),
            name: self.config.name.clone(),
            image: self.config.image.clone(),
            image_id: self.image_id.clone(),
            labels: self.config.labels.clone(),
            state: self.state(),
            health: self.health(now),
            ports: if self.is_running() { self.ports.clone() } else { Vec::new() },
        }
    }

    pub(super) fn inspection(&self, now: Instant) -> Inspection {
        let container = self.summary(now);
        Inspection {
            detail: (container.health == Health::Unhealthy).then(|| "the check's script says no".to_owned()),
            container,
            restart_count: self.restart_count,
            started_at: (self.starts > 0).then(|| format!("start {}", self.starts)),
            env: self.config.env.clone(),
            command: self.config.entrypoint.iter().chain(&self.config.command).cloned().collect(),
            mounts: self.config.mounts.clone(),
            restart_policy: self.config.restart_policy,
            limits: self.config.limits,
            networks: self.config.network.iter().map(|attachment| attachment.network.clone()).collect(),
        }
    }
}
