//! Ctrl-C, SIGTERM and a terminal that closes as something to wait for.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use anyhow::Context as _;

/// The signals that ask a process to end.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// Only where somebody asked for it: `nohup` must go on working for a server.
    hangup: Option<Signal>,
}

impl Interrupts {
    /// Listens from now on; the signals no longer end the process by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: None,
        })
    }

    /// Counts a terminal that closes as an interruption too: for what must be cleaned up.
    pub(crate) fn and_hangup(mut self) -> anyhow::Result<Self> {
        self.hangup = Some(signal(SignalKind::hangup()).context("cannot listen for signals")?);
        Ok(self)
    }

    /// Answers at the next signal.
    pub(crate) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hangup => {}
        }
    }

    /// The result of `work`, or none when a signal comes first.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = work => Some(result),
            () = self.next() => None,
        }
    }
}
