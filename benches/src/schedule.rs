//! Work that begins when it is due, however long the work before it takes: an open loop.
//!
//! Whatever is measured counts from the instant at which it was due, so that a stall shows in everything that it delayed.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Begins `count` pieces of work at this rate, and waits until all have ended. Each is told its number and when it was due.
///
/// A thread of its own keeps the beat: the timers of the runtime know only whole milliseconds.
pub(crate) async fn open_loop<T, F>(
    per_second: u32,
    count: u32,
    mut work: impl FnMut(u32, Instant) -> F + Send + 'static,
) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let runtime = Handle::current();
    let period = Duration::from_secs(1) / per_second;
    let beat = thread::spawn(move || {
        let mut running = JoinSet::new();
        let begin = Instant::now();
        for number in 0..count {
            let due = begin + period * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            running.spawn_on(work(number, due), &runtime);
        }
        running
    });
    let joined = tokio::task::spawn_blocking(move || beat.join()).await?;
    let mut running = joined.ok().context("the beat does not panic")?;
    let mut results = Vec::new();
    while let Some(ended) = running.join_next().await {
        results.push(ended??);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_begins_when_it_is_due_although_earlier_work_has_not_ended() {
        let (sender, _) = tokio::sync::broadcast::channel::<()>(1);
        let last = 9;
        let results = open_loop(1000, last + 1, move |number, due| {
            let (sender, mut receiver) = (sender.clone(), sender.subscribe());
            async move {
                if number == last {
                    sender.send(())?;
                } else {
                    receiver.recv().await?;
                }
                Ok((number, due))
            }
        });
        let mut results = results.await.unwrap();
        results.sort_unstable();
        let period = Duration::from_millis(1);
        assert!(results.windows(2).all(|pair| pair[1].1 - pair[0].1 == period), "{results:?}");
    }
}
