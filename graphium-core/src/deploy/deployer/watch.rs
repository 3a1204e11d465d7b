//! Watching a container until it is observed good, or is not.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::EngineDeployer;
use crate::deploy::{DeployError, DeployErrorKind, Inspection, StepContext};
use crate::stack::{ContainerSpec, Health, HealthCheck, InstanceState, RestartPolicy};

const STEP: &str = "health";
/// The first wait between two looks; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest wait between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// What a health check gets beyond its own times, for a busy engine.
const HEALTH_MARGIN: Duration = Duration::from_secs(10);
/// What an image's own health check gets, of which the spec says nothing: what a check with every default gets.
const UNKNOWN_CHECK: Duration = Duration::from_secs(3 * (30 + 30));
/// The lines of a failed container that its failure shows.
const LINES_SHOWN: usize = 10;
/// The most bytes of them.
const BYTES_SHOWN: usize = 2_000;

/// What good means for one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expectation {
    /// Without a health check: how long it must run without a restart.
    min_uptime: Duration,
    /// With one: how long it may take to say yes.
    health_deadline: Duration,
    /// Whether ending with 0 is good: the engine will not start it again.
    may_complete: bool,
    /// Whether nothing else is good: others wait for its end.
    must_complete: bool,
}

impl Expectation {
    pub(super) fn of(spec: &ContainerSpec) -> Self {
        Self {
            min_uptime: Duration::from_secs(u64::from(spec.min_uptime_seconds)),
            health_deadline: spec.health_check.as_ref().map_or(UNKNOWN_CHECK, patience) + HEALTH_MARGIN,
            must_complete: false,
            may_complete: match spec.restart_policy {
                RestartPolicy::No | RestartPolicy::OnFailure { .. } => true,
                RestartPolicy::Always | RestartPolicy::UnlessStopped => false,
            },
        }
    }
}

impl Expectation {
    /// The same, or only an end with 0 is good. How long that may take is the deadline of the task.
    pub(super) fn run_to_completion(mut self, must_complete: bool) -> Self {
        self.must_complete = must_complete;
        self
    }
}

/// The longest that a working container's check may take to say yes.
fn patience(check: &HealthCheck) -> Duration {
    let tries = u64::from(check.interval.saturating_add(check.timeout)) * u64::from(check.retries.max(1));
    Duration::from_secs(u64::from(check.start_period) + tries)
}

/// What one look says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad(DeployErrorKind, String),
    /// Look again within this time at the latest.
    Wait(Duration),
}

/// What the first look at a running container saw: a later one that differs saw a restart.
#[derive(Debug, PartialEq, Eq)]
struct Life {
    restart_count: u32,
    started_at: Option<String>,
}

impl Life {
    fn of(seen: &Inspection) -> Self {
        Self { restart_count: seen.restart_count, started_at: seen.started_at.clone() }
    }
}

/// Judges a look at a container `waited` after the first one.
fn judge(seen: &Inspection, life: &Life, waited: Duration, wanted: &Expectation) -> Verdict {
    let has_check = seen.container.health != Health::None;
    match (seen.container.state, seen.container.health) {
        (InstanceState::Exited { exit_code: 0 }, _) if wanted.may_complete => Verdict::Good,
        (InstanceState::Exited { exit_code }, _) => {
            Verdict::Bad(DeployErrorKind::Exited, format!("ended with exit code {exit_code}"))
        }
        (InstanceState::Dead | InstanceState::Removing, _) => {
            Verdict::Bad(DeployErrorKind::Exited, "is being removed by somebody else".into())
        }
        (InstanceState::Restarting, _) if !has_check => {
            Verdict::Bad(DeployErrorKind::Unhealthy, "ended and is restarted by the engine".into())
        }
        (InstanceState::Running, _) if wanted.must_complete => Verdict::Wait(LONGEST_PAUSE),
        (InstanceState::Running, Health::Healthy) => Verdict::Good,
        (InstanceState::Running, Health::Unhealthy) => Verdict::Bad(DeployErrorKind::Unhealthy, "is unhealthy".into()),
        (InstanceState::Running, Health::None) if *life != Life::of(seen) => {
            Verdict::Bad(DeployErrorKind::Unhealthy, "was restarted by the engine".into())
        }
        (InstanceState::Running, Health::None) if waited >= wanted.min_uptime => Verdict::Good,
        (InstanceState::Running, Health::None) => Verdict::Wait(wanted.min_uptime - waited),
        _ if waited >= wanted.health_deadline => {
            let seconds = wanted.health_deadline.as_secs();
            Verdict::Bad(DeployErrorKind::Unhealthy, format!("was not healthy within {seconds} s"))
        }
        _ => Verdict::Wait(wanted.health_deadline - waited),
    }
}

impl EngineDeployer {
    /// Watches a started container until it is good.
    pub(super) async fn until_good(
        &self,
        id: &str,
        wanted: &Expectation,
        context: &StepContext,
    ) -> Result<Inspection, DeployError> {
        context.step(STEP);
        let began = Instant::now();
        let mut life = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(seen) = self.runtime.inspect(id).await? else {
                let message = format!("container {id} vanished while it was watched: somebody removed it");
                return Err(DeployError::new(DeployErrorKind::Exited, message).in_step(STEP));
            };
            let life = life.get_or_insert_with(|| Life::of(&seen));
            match judge(&seen, life, began.elapsed(), wanted) {
                Verdict::Good => return Ok(seen),
                Verdict::Bad(kind, what) => return Err(self.not_good(&seen, kind, &what).await),
                Verdict::Wait(at_most) => {
                    tokio::select! {
                        biased;
                        () = context.cancel.cancelled() => return Err(cancelled(&seen)),
                        () = sleep(pause.min(at_most)) => {}
                    }
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Why a container is not good, with its own last words.
    async fn not_good(&self, seen: &Inspection, kind: DeployErrorKind, what: &str) -> DeployError {
        let container = &seen.container;
        let mut error = DeployError::new(kind, format!("container {} {what}", container.name)).in_step(STEP);
        if let Some(detail) = seen.detail.as_deref().map(str::trim).filter(|detail| !detail.is_empty()) {
            error = error.noting(format!("the engine says: {}", shortened(detail)));
        }
        match self.runtime.logs(&container.id, LINES_SHOWN).await {
            Ok(lines) if lines.is_empty() => error.noting("it wrote nothing"),
            Ok(lines) => {
                let lines: Vec<_> = lines.into_iter().map(|line| line.text).collect();
                error.noting(format!("its last lines:\n{}", shortened(&lines.join("\n"))))
            }
            Err(unreadable) => error.noting(format!("its output cannot be read: {unreadable}")),
        }
    }
}

fn cancelled(seen: &Inspection) -> DeployError {
    let message = format!("cancelled while container {} was not yet good", seen.container.name);
    DeployError::new(DeployErrorKind::Cancelled, message).in_step(STEP)
}

/// The end of a text: what a program wrote last says most about why it failed.
fn shortened(text: &str) -> &str {
    let mut start = text.len().saturating_sub(BYTES_SHOWN);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContainerName;
    use crate::stack::HealthProbe;

    #[test]
    fn the_deadline_is_longer_than_everything_the_check_itself_allows() {
        let mut spec = ContainerSpec::new(ContainerName::new("web").unwrap(), "web:1");
        let probe = HealthProbe::Exec { command: vec!["CMD".into(), "true".into()] };
        spec.health_check = Some(HealthCheck { probe, interval: 30, timeout: 10, retries: 3, start_period: 40 });
        let deadline = Expectation::of(&spec).health_deadline;
        assert!(deadline > Duration::from_secs(40 + (30 + 10) * 3), "{deadline:?}");
    }

    #[test]
    fn only_a_container_that_the_engine_will_not_start_again_may_complete() {
        let mut spec = ContainerSpec::new(ContainerName::new("job").unwrap(), "job:1");
        assert!(Expectation::of(&spec).may_complete);
        spec.restart_policy = RestartPolicy::Always;
        assert!(!Expectation::of(&spec).may_complete);
    }

    #[test]
    fn a_long_output_is_cut_at_its_beginning_and_between_characters() {
        let text = format!("start {}", "ü".repeat(BYTES_SHOWN));
        assert!(shortened(&text).len() <= BYTES_SHOWN);
        assert!(shortened(&text).ends_with('ü'));
        assert_eq!(shortened("short"), "short");
    }
}
