//! The line between two processes: a TCP proxy that can be cut, stalled, closed to one side, or closed to newcomers.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::free_port;

/// How long a connection may live whose other side says nothing more.
const LINGER: Duration = Duration::from_secs(30);
const CHUNK: usize = 16 * 1024;

/// What the line does at the moment.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Grows with each cut: connections of before are over.
    cuts: u64,
    /// Nothing passes before.
    stalled_until: Option<Instant>,
    /// Grows each time; connections of before pass nothing more to the client, as if it had gone.
    deaf: u64,
    /// New connections end at once before.
    closed_until: Option<Instant>,
}

/// A line to a server. Dropping it ends every connection.
#[derive(Debug)]
pub struct Line {
    /// Where clients dial, on the loopback.
    pub port: u16,
    state: watch::Sender<State>,
    _running: JoinSet<()>,
}

impl Line {
    /// A line to the server on this port of the loopback.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(server: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let state = watch::Sender::new(State { cuts: 0, stalled_until: None, deaf: 0, closed_until: None });
        let seen = state.clone();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((incoming, _)) = listener.accept().await {
                connections.spawn(forward(incoming, server, seen.subscribe()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, state, _running: running })
    }

    /// Where an HTTP client dials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every open connection ends.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Nothing passes for so long; then everything that was said does, even what a client said that is gone.
    pub fn stall(&self, lasts: Duration) {
        self.state.send_modify(|state| state.stalled_until = Some(Instant::now() + lasts));
    }

    /// What was asked still reaches the server; its answers do not come back, and the client finds the line closed.
    pub fn deafen(&self) {
        self.state.send_modify(|state| state.deaf += 1);
    }

    /// Nobody gets a new connection for so long.
    pub fn close(&self, lasts: Duration) {
        self.state.send_modify(|state| state.closed_until = Some(Instant::now() + lasts));
    }

    /// From now on everything passes.
    pub fn heal(&self) {
        self.state.send_modify(|state| (state.stalled_until, state.closed_until) = (None, None));
    }
}

async fn forward(incoming: TcpStream, server: u16, mut state: watch::Receiver<State>) {
    let began = *state.borrow();
    if began.closed_until.is_some_and(|until| Instant::now() < until) {
        return;
    }
    let Ok(outgoing) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (from_client, to_client) = incoming.into_split();
    let (from_server, to_server) = outgoing.into_split();
    let (there, back) = (state.clone(), state.clone());
    let pass = async {
        tokio::join!(asked(from_client, to_server, there), answered(from_server, to_client, back, began.deaf));
    };
    tokio::select! {
        () = pass => {}
        _ = state.wait_for(|now| now.cuts > began.cuts) => {}
    }
}

/// Waits until the line passes again.
async fn stalled(state: &mut watch::Receiver<State>) {
    loop {
        let until = state.borrow_and_update().stalled_until.filter(|until| Instant::now() < *until);
        let Some(until) = until else { return };
        tokio::select! {
            () = sleep_until(until) => {}
            _ = state.changed() => {}
        }
    }
}

async fn asked(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        stalled(&mut state).await;
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    stalled(&mut state).await;
    // The server may already be gone.
    to.shutdown().await.ok();
}

async fn answered(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>, deaf: u64) {
    let mut bytes = vec![0; CHUNK];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            _ = state.wait_for(|now| now.deaf > deaf) => break,
        };
        let Ok(length @ 1..) = read else { return };
        stalled(&mut state).await;
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    // The client may already be gone.
    to.shutdown().await.ok();
    sleep(LINGER).await;
}
