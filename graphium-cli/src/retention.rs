//! How long a store keeps what is over, as the command line and the settings file say it: `30d`, or `forever`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use graphium_core::store::Retention;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::duration;
use crate::settings::ServerSettings;

const DAY: u64 = 24 * 60 * 60;

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    For(Duration),
    Forever,
}

/// The options that say how long things are kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Retention")]
pub(crate) struct RetentionArgs {
    /// How long to keep settled tasks with their idempotency keys, or `forever` [default: 30d]
    #[arg(long, env = "GRAPHIUM_KEEP_TASKS", value_name = "TIME")]
    keep_tasks: Option<Kept>,
    /// How long to keep the attempts of settled tasks, or `forever` [default: 30d]
    #[arg(long, env = "GRAPHIUM_KEEP_ATTEMPTS", value_name = "TIME")]
    keep_attempts: Option<Kept>,
    /// How long to keep events, or `forever` [default: 90d]
    #[arg(long, env = "GRAPHIUM_KEEP_EVENTS", value_name = "TIME")]
    keep_events: Option<Kept>,
}

impl RetentionArgs {
    /// Puts what is in force into the settings: flags and variables over the file over the defaults.
    pub(crate) fn over(&self, file: &mut ServerSettings) {
        let defaults = Retention::default();
        file.keep_tasks = self.keep_tasks.or(file.keep_tasks).or(Some(defaults.tasks.into()));
        file.keep_attempts = self.keep_attempts.or(file.keep_attempts).or(Some(defaults.attempts.into()));
        file.keep_events = self.keep_events.or(file.keep_events).or(Some(defaults.events.into()));
    }
}

/// What the settings say.
pub(crate) fn retention(settings: &ServerSettings) -> Retention {
    let defaults = Retention::default();
    let said = |kept: Option<Kept>, default| kept.map_or(default, Kept::limit);
    Retention {
        tasks: said(settings.keep_tasks, defaults.tasks),
        attempts: said(settings.keep_attempts, defaults.attempts),
        events: said(settings.keep_events, defaults.events),
    }
}

impl Kept {
    fn limit(self) -> Option<Duration> {
        match self {
            Self::For(time) => Some(time),
            Self::Forever => None,
        }
    }
}

impl From<Option<Duration>> for Kept {
    fn from(limit: Option<Duration>) -> Self {
        limit.map_or(Self::Forever, Self::For)
    }
}

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        duration::parse(text).map(Self::For).map_err(|refusal| format!("{refusal}, or forever"))
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::For(time) if time.subsec_millis() > 0 => write!(f, "{}ms", time.as_millis()),
            Self::For(time) if time.as_secs() > 0 && time.as_secs().is_multiple_of(DAY) => {
                write!(f, "{}d", time.as_secs() / DAY)
            }
            Self::For(time) => write!(f, "{}s", time.as_secs()),
        }
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_was_read() {
        for text in ["30d", "3600s", "1500ms", "0s", "forever"] {
            assert_eq!(text.parse::<Kept>().unwrap().to_string(), text);
        }
        assert!("for ever".parse::<Kept>().unwrap_err().contains("forever"));
    }

    #[test]
    fn what_nobody_says_is_as_the_library_has_it() {
        let mut settings = ServerSettings::default();
        assert_eq!(retention(&settings), Retention::default());
        let silent = RetentionArgs { keep_tasks: None, keep_attempts: None, keep_events: Some(Kept::Forever) };
        silent.over(&mut settings);
        assert_eq!(retention(&settings), Retention { events: None, ..Retention::default() });
        assert_eq!(settings.keep_tasks.unwrap().to_string(), "30d");
    }
}
