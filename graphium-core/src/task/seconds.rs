//! A duration as a number of seconds, with a fraction where it needs one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(pub Duration);

impl TryFrom<f64> for Seconds {
    type Error = String;
    fn try_from(seconds: f64) -> Result<Self, String> {
        Duration::try_from_secs_f64(seconds)
            .map(Self)
            .map_err(|error| format!("{seconds} is no duration in seconds: {error}"))
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0.as_secs_f64()
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Seconds {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        f64::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Seconds {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_of_whole_milliseconds_survives_the_wire() {
        for millis in [0, 1, 50, 333, 29_999, 30_000, 86_400_000] {
            let sent = Seconds(Duration::from_millis(millis));
            let read: Seconds = serde_json::from_str(&serde_json::to_string(&sent).unwrap()).unwrap();
            assert_eq!(read, sent);
        }
    }

    #[test]
    fn a_negative_duration_is_refused() {
        assert!(serde_json::from_str::<Seconds>("-1").unwrap_err().to_string().contains("no duration"));
    }
}
