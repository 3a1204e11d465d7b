//! When to try again.

use std::time::Duration;

/// The longest wait before the first retry.
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);

/// The longest wait before any retry.
pub const BACKOFF_CAP: Duration = Duration::from_secs(300);

/// Exponential backoff with full jitter: `unit × min(cap, base × 2^retries)`.
///
/// `retries` counts the retries already used and `unit`, drawn from `[0, 1)`, is the jitter; it is an
/// argument so that the delay is a pure function. Full jitter spreads a herd best of the usual
/// variants (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
#[must_use]
pub fn backoff(retries: u32, unit: f64) -> Duration {
    let ceiling = BACKOFF_BASE.saturating_mul(1_u32.checked_shl(retries.min(31)).unwrap_or(u32::MAX)).min(BACKOFF_CAP);
    ceiling.mul_f64(unit.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let ceilings: Vec<_> = (0..10).map(|n| backoff(n, 1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }

    #[test]
    fn the_jitter_is_full() {
        assert_eq!(backoff(5, 0.0), Duration::ZERO);
        assert_eq!(backoff(5, 0.5), Duration::from_secs(16));
    }

    proptest::proptest! {
        #[test]
        fn the_nth_delay_is_below_its_ceiling_and_grows_with_its_jitter(retries in 0_u32..200, unit in 0.0_f64..1.0) {
            let ceiling = BACKOFF_BASE.as_secs_f64() * 2_f64.powi(i32::try_from(retries).unwrap_or(i32::MAX));
            let ceiling = ceiling.min(BACKOFF_CAP.as_secs_f64());
            let delay = backoff(retries, unit).as_secs_f64();
            proptest::prop_assert!(delay <= ceiling && (delay - unit * ceiling).abs() < 1e-6, "{delay} of {ceiling}");
        }
    }

    #[test]
    fn a_huge_count_does_not_overflow() {
        assert_eq!(backoff(u32::MAX, 1.0), BACKOFF_CAP);
    }
}
