//! The engine's event stream, as a hint that something changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use tokio::time::sleep;

use super::DockerRuntime;

/// The wait before the stream is opened again after a cut; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What changes an instance. Each try of a health check is an event too, of which nobody needs to hear.
const ACTIONS: [&str; 11] =
    ["create", "start", "die", "stop", "destroy", "health_status", "oom", "pause", "unpause", "rename", "update"];

impl DockerRuntime {
    /// Answers at the next event of a container with these labels. The stream is asked for what came since the last
    /// answer, so nothing between two calls is missed.
    pub(super) async fn next_event(&self, labels: &BTreeMap<String, String>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let since = self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(labels).cloned();
            let filters = HashMap::from([
                ("type".to_owned(), vec!["container".to_owned()]),
                ("event".to_owned(), ACTIONS.map(str::to_owned).to_vec()),
                ("label".to_owned(), labels.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            ]);
            let mut options = EventsOptionsBuilder::default().filters(&filters);
            if let Some(since) = &since {
                options = options.since(since);
            }
            let mut events = Box::pin(self.docker.events(Some(options.build())));
            match events.next().await {
                Some(Ok(event)) => {
                    if let Some(nanos) = event.time_nano {
                        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                        heard.insert(labels.clone(), just_after(nanos));
                    }
                    return;
                }
                Some(Err(error)) => tracing::debug!(%error, "the engine's event stream was cut"),
                None => tracing::debug!("the engine's event stream ended"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The engine's way to write a moment: seconds and nanoseconds.
fn just_after(nanos: i64) -> String {
    let after = nanos.saturating_add(1);
    format!("{}.{:09}", after.div_euclid(1_000_000_000), after.rem_euclid(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_nine_digits_of_fraction() {
        assert_eq!(just_after(1_700_000_000_000_000_041), "1700000000.000000042");
        assert_eq!(just_after(1_700_000_000_999_999_999), "1700000001.000000000");
    }
}
