//! How long the agent may work without hearing from the store, on its own monotonic clock.

use std::time::Duration;

use tokio::time::Instant;

/// The part of a lease, one in so many, that is left when work is told to stop.
const STOP_MARGIN: u32 = 10;
/// The part of a lease, one in so many, that is left when work that goes on is dropped.
const DROP_MARGIN: u32 = 20;

/// The lease of the agent's session. It counts from the moment a request was sent, which is before the store
/// counts, so it ends here first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    setting: Duration,
    stop_at: Instant,
    drop_at: Instant,
}

impl Lease {
    /// The lease that the first call of a session began.
    pub(super) fn begun(sent: Instant, length: Duration) -> Self {
        Self {
            setting: length,
            stop_at: sent + length - length / STOP_MARGIN,
            drop_at: sent + length - length / DROP_MARGIN,
        }
    }

    /// Takes in an answer to a request sent then, that had asked to wait so long.
    pub(super) fn renew(&mut self, sent: Instant, length: Duration, waited: bool) {
        // A waited answer adds the time waited: only one that did not wait tells the store's setting.
        let setting = if waited { self.setting } else { length };
        let margin = |part: u32| sent + length - setting.min(length) / part;
        *self = Self {
            setting,
            stop_at: margin(STOP_MARGIN).max(self.stop_at),
            drop_at: margin(DROP_MARGIN).max(self.drop_at),
        };
    }

    /// When work must be told to stop unless the lease is renewed before.
    pub(super) fn stop_at(&self) -> Instant {
        self.stop_at
    }

    /// When work that has not stopped must be dropped.
    pub(super) fn drop_at(&self) -> Instant {
        self.drop_at
    }

    /// Whether work may go on.
    pub(super) fn is_live(&self) -> bool {
        Instant::now() < self.stop_at
    }

    /// Whether a call should come back at once, because a wait could outlive the lease.
    pub(super) fn wants_renewal(&self) -> bool {
        self.stop_at.saturating_duration_since(Instant::now()) < self.setting / 2
    }

    /// How long a call may wait while something runs.
    pub(super) fn busy_wait(&self) -> Duration {
        self.setting / 3
    }

    /// How long the store may take to answer while something runs: little enough to try again within the lease.
    pub(super) fn busy_patience(&self) -> Duration {
        (self.setting / 6).max(Duration::from_secs(1))
    }

    /// The longest pause between failing calls while something runs.
    pub(super) fn busy_pause(&self) -> Duration {
        self.setting / 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn work_stops_a_tenth_of_the_lease_before_its_end() {
        let lease = Lease::begun(Instant::now(), LENGTH);

        tokio::time::advance(Duration::from_secs(26)).await;
        assert!(lease.is_live());

        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!lease.is_live());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_waited_renews_from_its_end_and_leaves_the_setting() {
        let sent = Instant::now();
        let mut lease = Lease::begun(sent, LENGTH);
        tokio::time::advance(LENGTH).await;

        lease.renew(sent, LENGTH * 2, true);
        assert!(lease.is_live() && !lease.wants_renewal());
        assert_eq!(lease.busy_wait(), LENGTH / 3);
        assert_eq!(lease.stop_at(), sent + Duration::from_secs(57));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_to_an_early_request_never_shortens_the_lease() {
        let early = Instant::now();
        let mut lease = Lease::begun(early, LENGTH);
        tokio::time::advance(Duration::from_secs(10)).await;
        lease.renew(Instant::now(), LENGTH, false);
        let stop_at = lease.stop_at();

        lease.renew(early, LENGTH, false);
        assert_eq!(lease.stop_at(), stop_at);
    }
}
