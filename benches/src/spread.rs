//! How long many calls took.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::sample::{Figure, Unit};

/// Three significant digits from a microsecond on.
const DIGITS: u8 = 3;

/// Durations, counted by size.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new(DIGITS)?))
    }

    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> anyhow::Result<Self> {
        let mut latencies = Self::new()?;
        for duration in durations {
            latencies.add(duration)?;
        }
        Ok(latencies)
    }

    pub(crate) fn add(&mut self, duration: Duration) -> anyhow::Result<()> {
        Ok(self.0.record(u64::try_from(duration.as_micros())?)?)
    }

    /// The duration below which so many of 100 stay, in milliseconds.
    pub(crate) fn millis(&self, percent: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "microseconds far below 2^52")]
        let micros = self.0.value_at_quantile(percent / 100.0) as f64;
        micros / 1000.0
    }

    /// These percentiles as figures: `claim p50`, `claim p99.9`.
    pub(crate) fn figures(&self, what: &str, percents: &[f64]) -> Vec<Figure> {
        percents.iter().map(|p| Figure::new(format!("{what} p{p}"), Unit::Millis, self.millis(*p))).collect()
    }
}
