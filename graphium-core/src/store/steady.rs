//! The time that a store goes by: it runs at the pace of real time, whatever the wall clock does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// The part, one in so many, by which the time of a store runs faster than real time while the wall clock is ahead of it.
/// An agent stops a tenth of its lease before the end, so a lease may be this much shorter than it says.
const CATCH_UP: u32 = 32;
const NANOS_PER_MICRO: i128 = 1_000;

/// A clock that begins at the wall clock, never steps, and never runs backwards.
///
/// A wall clock that steps back is ignored until real time has caught up with what was seen. One that steps forward is
/// followed little by little, so that no lease and no deadline ends early by more than the part above.
#[derive(Debug)]
pub(super) struct SteadyClock {
    clock: Arc<dyn Clock>,
    last: Mutex<Reading>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    /// Nanoseconds since the Unix epoch: what is less than a microsecond adds up over many readings.
    now: i128,
    monotonic: Duration,
}

impl SteadyClock {
    /// Begins at what this clock says now.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = Reading { now: nanos(clock.now()), monotonic: clock.monotonic() };
        Self { clock, last: Mutex::new(last) }
    }

    /// Goes on from this instant, unless it is there already: from the newest one that was kept, which may lie in the
    /// future of the wall clock.
    #[cfg(feature = "sql")]
    pub(super) fn go_on_from(&self, kept: Timestamp) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.now = last.now.max(nanos(kept));
    }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.as_micros()) * NANOS_PER_MICRO
}

fn nanos_of(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, monotonic) = (nanos(self.clock.now()), self.clock.monotonic());
        let passed = nanos_of(monotonic.saturating_sub(last.monotonic));
        let steady = last.now.saturating_add(passed);
        let ahead = wall.saturating_sub(steady).clamp(0, passed / i128::from(CATCH_UP));
        *last = Reading { now: steady.saturating_add(ahead), monotonic: monotonic.max(last.monotonic) };
        Timestamp::from_micros(i64::try_from(last.now / NANOS_PER_MICRO).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::clock::ManualClock;

    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    fn clocks() -> (Arc<ManualClock>, SteadyClock) {
        let wall = Arc::new(ManualClock::default());
        let steady = SteadyClock::new(Arc::<ManualClock>::clone(&wall));
        (wall, steady)
    }

    #[test]
    fn it_follows_a_clock_that_does_not_jump_exactly() {
        let (wall, steady) = clocks();
        for _ in 0..10 {
            wall.advance(Duration::from_micros(1_234_567));
            assert_eq!(steady.now(), wall.now());
        }
    }

    #[test]
    fn a_jump_forward_is_followed_little_by_little_until_it_is_caught_up() {
        let (wall, steady) = clocks();
        let begin = steady.now();
        wall.set(begin.after(SECOND * 2));
        assert_eq!(steady.now(), begin);

        wall.advance(SECOND * 32);
        assert_eq!(steady.now(), begin.after(SECOND * 33));
        wall.advance(HOUR);
        assert_eq!(steady.now(), wall.now(), "it caught up");
    }

    #[test]
    fn time_goes_on_after_a_jump_back() {
        let (wall, steady) = clocks();
        let begin = steady.now();
        wall.set(begin.before(HOUR));
        assert_eq!(steady.now(), begin);

        wall.advance(SECOND);
        assert_eq!(steady.now(), begin.after(SECOND));
    }

    #[test]
    #[cfg(feature = "sql")]
    fn it_goes_on_from_an_instant_in_the_future_of_the_wall_clock() {
        let (wall, steady) = clocks();
        let kept = wall.now().after(HOUR);
        steady.go_on_from(kept);
        steady.go_on_from(wall.now());

        wall.advance(SECOND);
        assert_eq!(steady.now(), kept.after(SECOND));
    }

    /// Moves by less than a microsecond at each look.
    #[derive(Debug, Default)]
    struct Fine(AtomicU64);

    impl Clock for Fine {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_nanos(self.0.fetch_add(300, Ordering::SeqCst))
        }
    }

    #[test]
    fn many_looks_within_a_microsecond_lose_no_time() {
        let steady = SteadyClock::new(Arc::new(Fine::default()));
        let last = (0..10_000).map(|_| steady.now()).last().unwrap();
        assert_eq!(last, Timestamp::from_micros(3_000));
    }
}
