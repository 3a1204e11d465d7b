//! Time, injected. Nothing else in the workspace reads the wall clock, so every
//! deadline and lease can be driven by a test.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant: microseconds since the Unix epoch, as the store's clock saw it.
///
/// On the wire it is an RFC 3339 string in UTC with microseconds. That has four digits for the year, so an instant lies
/// between [`MIN`](Self::MIN) and [`MAX`](Self::MAX): whatever would be beyond is the nearer of them, and every instant
/// reads back as it was written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The first instant there is: the beginning of the year 1.
    pub const MIN: Self = Self(-62_135_596_800_000_000);

    /// The last instant there is: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant plus `duration`; saturates instead of overflowing.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros(duration)))
    }

    /// This instant minus `duration`; saturates instead of overflowing.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros(duration)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = DateTime::parse_from_rfc3339(&text)
            .map_err(|error| de::Error::custom(format!("{text:?} is no RFC 3339 time: {error}")))?;
        let (micros, read) = (at.timestamp_micros(), Self::from_micros(at.timestamp_micros()));
        if read.0 != micros {
            return Err(de::Error::custom(format!("{text:?} is out of range: the years are 1 to 9999")));
        }
        Ok(read)
    }
}

/// Where the time comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current instant by the wall. It may step, forwards and backwards: somebody sets it, or it is set right. Whoever
    /// orders by it or measures with it must not rely on it alone.
    fn now(&self) -> Timestamp;

    /// The time since an instant that is fixed for the life of this clock. It never steps: durations are measured by it.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_micros(since.map_or(0, micros))
    }

    #[expect(clippy::disallowed_types, reason = "the machine's clock does not stand still with a paused runtime")]
    fn monotonic(&self) -> Duration {
        static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}

/// A clock that moves only when told, for tests against any backend.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    /// Microseconds for which it was advanced.
    passed: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self { wall: AtomicI64::new(start.0), passed: AtomicU64::new(0) }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.wall.fetch_add(micros(by), Ordering::SeqCst);
        self.passed.fetch_add(u64::try_from(micros(by)).unwrap_or(0), Ordering::SeqCst);
    }

    /// Sets the wall clock, forwards or backwards, while no time passes: what a clock looks like that jumps.
    pub fn set(&self, to: Timestamp) {
        self.wall.store(to.0, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Stands at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp(1_767_225_600_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.passed.load(Ordering::SeqCst))
    }
}

/// A clock that follows tokio's time, so that it stands still and jumps with a paused
/// runtime. For simulations on the memory store.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    anchor: tokio::time::Instant,
    start: Timestamp,
}

impl TokioClock {
    /// Anchors `start` at tokio's current instant.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { anchor: tokio::time::Instant::now(), start }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start.after(self.anchor.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.anchor.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_survives_its_wire_form() {
        let at = Timestamp::from_micros(1_767_225_600_123_456);
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, "\"2026-01-01T00:00:00.123456Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), at);
    }

    #[test]
    fn a_time_outside_of_the_years_there_are_is_refused_by_name() {
        for text in ["0000-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"] {
            let error = serde_json::from_value::<Timestamp>(text.into()).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_added_and_taken_away_reads_back_as_it_was_written(micros: i64, seconds: u64, nanos in 0_u32..1_000_000_000) {
            let (at, by) = (Timestamp::from_micros(micros), Duration::new(seconds, nanos));
            for at in [at, at.after(by), at.before(by), at.after(Duration::MAX), at.before(Duration::MAX)] {
                let text = serde_json::to_string(&at).unwrap();
                proptest::prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), at);
            }
            proptest::prop_assert!(at.before(by) <= at && at <= at.after(by));
        }
    }

    #[test]
    fn a_manual_clock_that_is_set_lets_no_time_pass() {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(5));
        clock.set(Timestamp::EPOCH);
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp::EPOCH, Duration::from_secs(5)));
    }

    #[test]
    fn time_before_an_instant_counts_as_none() {
        let (earlier, later) = (Timestamp::from_micros(1), Timestamp::from_micros(5));
        assert_eq!(earlier.since(later), Duration::ZERO);
    }
}
