//! Pauses between calls that fail: longer each time, with jitter, without an end.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The pause after the first failure, before jitter.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause, before jitter.
pub(super) const LONGEST: Duration = Duration::from_secs(15);

/// How long to pause next.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    jitter: StdRng,
}

impl Backoff {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self { failures: 0, jitter: seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64) }
    }

    /// The pause after one more failure: between half and the whole of a ceiling that doubles up to `longest`. Half is
    /// kept so that a refused call is never repeated at once.
    pub(super) fn failed(&mut self, longest: Duration) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(16)).min(longest.max(FIRST));
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(self.jitter.random_range(0.5..=1.0))
    }

    /// It works again. Answers whether it did not before.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    /// Whether the last call failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(Some(7));
        let pauses: Vec<_> = (0..20).map(|_| backoff.failed(LONGEST)).collect();
        assert!(pauses[0] <= FIRST && pauses[0] >= FIRST / 2, "{pauses:?}");
        assert!(pauses[19] <= LONGEST && pauses[19] >= LONGEST / 2, "{pauses:?}");

        assert!(backoff.succeeded());
        assert!(backoff.failed(LONGEST) <= FIRST);
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(Some(seed));
            (0..5).map(|_| backoff.failed(LONGEST)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
