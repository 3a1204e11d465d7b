//! Listening, and stopping without breaking a promise.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use graphium_core::clock::{Clock, SystemClock};
use graphium_core::control::Control;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::keys::{Installation, KeyError};
use super::limits::DRAIN_LIMIT;
use super::listener::{bind, listen};
use super::routes;
use super::state::{AppState, Polls, Shared, Streams};
use super::tls;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its certificate and key. Needed beyond loopback.
    pub tls: Option<TlsFiles>,
    /// Where the wrapping key and the first admin token are kept.
    pub data_dir: PathBuf,
    /// How long requests in flight get to finish when it stops.
    pub drain: Duration,
    /// Where the time comes from; the store must have the same.
    pub clock: Arc<dyn Clock>,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl ServerConfig {
    /// A server without TLS that reads the machine's clock.
    #[must_use]
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self { listen, tls: None, data_dir: data_dir.into(), drain: DRAIN_LIMIT, clock: Arc::new(SystemClock) }
    }

    /// The same server with TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsFiles) -> Self {
        self.tls = Some(tls);
        self
    }
}

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It would listen beyond this machine in clear.
    #[error(
        "{listen} can be reached from other machines, so TLS is needed: give --tls-cert and --tls-key, or listen on \
         127.0.0.1 (--listen)"
    )]
    TlsNeeded {
        /// The address.
        listen: SocketAddr,
    },
    /// The certificate or key cannot be used.
    #[error("TLS: {0} (--tls-cert, --tls-key)")]
    Tls(String),
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The keys of the installation.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The listener broke.
    #[error("the server ended: {0}")]
    Ended(String),
}

/// A server that runs. Dropping it ends it at once, its connections included.
#[derive(Debug)]
pub struct ServerHandle {
    local_addr: SocketAddr,
    secure: bool,
    installation: Installation,
    connections: Handle<SocketAddr>,
    stopping: CancellationToken,
    running: JoinSet<Result<(), ServerError>>,
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.connections.shutdown();
    }
}

impl ServerHandle {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.local_addr)
    }

    /// The installation that it serves.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Waits until it ends although it was not told to.
    ///
    /// # Cancel safety
    /// A dropped call has lost nothing.
    pub async fn broken(&mut self) -> ServerError {
        let ended = self.running.join_next().await;
        if self.stopping.is_cancelled() {
            // As it should: there is nothing to tell.
            return std::future::pending().await;
        }
        match ended {
            Some(Ok(Ok(()))) => ServerError::Ended("nobody told it to".into()),
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => ServerError::Ended(error.to_string()),
            None => ServerError::Ended("nothing of it runs any more".into()),
        }
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// [`ServerError::Ended`] when it did not stop because it was told to.
    pub async fn stopped(mut self) -> Result<(), ServerError> {
        while let Some(ended) = self.running.join_next().await {
            ended.map_err(|error| ServerError::Ended(error.to_string()))??;
        }
        Ok(())
    }
}

/// The whole surface as a service, without a listener: for tests and for a host of your own.
pub fn router(
    control: Control,
    clock: Arc<dyn Clock>,
    installation: Installation,
    stopping: CancellationToken,
) -> Router {
    routes::router(state(control, clock, installation, stopping, TaskTracker::new()))
}

fn state(
    control: Control,
    clock: Arc<dyn Clock>,
    installation: Installation,
    stopping: CancellationToken,
    tracker: TaskTracker,
) -> AppState {
    let store = Arc::clone(control.store());
    let access = Access { store: Arc::clone(&store), clock, installation };
    let (polls, streams) = (Polls::default(), Streams::default());
    Shared { store, control, access, polls, streams, stopping, tracker }.into()
}

/// Starts a server. When `shutdown` is cancelled it stops accepting, answers what waits, closes streams with a frame,
/// and lets what is in flight finish within [`ServerConfig::drain`].
///
/// The loop of the control plane ([`Control::run`]) is the caller's to run, here or in another process.
///
/// # Errors
/// [`ServerError`] when it cannot start, with the flags that help.
pub async fn serve(
    config: ServerConfig,
    control: Control,
    shutdown: CancellationToken,
) -> Result<ServerHandle, ServerError> {
    if config.tls.is_none() && !config.listen.ip().is_loopback() {
        return Err(ServerError::TlsNeeded { listen: config.listen });
    }
    let tls = match &config.tls {
        Some(files) => Some(tls::config(&files.cert, &files.key).map_err(|fault| ServerError::Tls(fault.to_string()))?),
        None => None,
    };
    let secure = tls.is_some();
    let installation = Installation::open(control.store(), &config.data_dir, config.clock.as_ref()).await?;
    let refused = |source| ServerError::Listen { listen: config.listen, source };
    let listener = bind(config.listen).map_err(refused)?;
    let local_addr = listener.local_addr().map_err(refused)?;

    let (tracker, stopping) = (TaskTracker::new(), shutdown.child_token());
    let state = state(control, config.clock, installation.clone(), stopping.clone(), tracker.clone());
    let app = routes::router(state);
    let connections = Handle::new();
    let mut running = JoinSet::new();
    running.spawn(stop_when_told(connections.clone(), shutdown, config.drain));
    let listening = listen(listener, tls, connections.clone(), app).map_err(refused)?;
    running.spawn(async move {
        listening.await.map_err(|error| ServerError::Ended(error.to_string()))?;
        tracker.close();
        // Sockets were told with a frame; a client that does not read it is cut.
        if tokio::time::timeout(config.drain, tracker.wait()).await.is_err() {
            tracing::warn!("a WebSocket did not end in time");
        }
        Ok(())
    });
    tracing::info!(%local_addr, secure, "listening");
    Ok(ServerHandle { local_addr, secure, installation, connections, stopping, running })
}

async fn stop_when_told(
    handle: Handle<SocketAddr>,
    shutdown: CancellationToken,
    drain: Duration,
) -> Result<(), ServerError> {
    shutdown.cancelled().await;
    handle.graceful_shutdown(Some(drain));
    Ok(())
}
