//! A server that runs: store, control plane and listener, started and stopped together.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use graphium_core::clock::SystemClock;
use graphium_core::control::Control;
use graphium_core::id::InstallationId;
use graphium_core::store::{
    PostgresSettings, PostgresStore, Restored, SqliteStore, StoreError, StoreSettings, TaskStore,
};
use graphium_http::server::{self, ADMIN_TOKEN_FILE, ServerConfig, ServerError, ServerHandle, TlsFiles};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Failure};

/// The database in the data folder.
pub(crate) const DATABASE: &str = "graphium.db";

/// How a server is to be.
#[derive(Debug, Clone)]
pub(crate) struct ServerPlan {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// The PostgreSQL database; without one a file in the data folder.
    pub(crate) database: Option<String>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) store: StoreSettings,
}

/// The store of a server.
#[derive(Debug, Clone)]
enum Kept {
    File(Arc<SqliteStore>),
    Shared(Arc<PostgresStore>),
}

impl Kept {
    async fn open(plan: &ServerPlan) -> Result<Self, StoreError> {
        let clock = Arc::new(SystemClock);
        match &plan.database {
            None => {
                let file = plan.data_dir.join(DATABASE);
                Ok(Self::File(Arc::new(SqliteStore::open(&file, clock, plan.store).await?)))
            }
            Some(url) => {
                let postgres = PostgresSettings { url: url.clone(), name: plan.listen.to_string() };
                Ok(Self::Shared(Arc::new(PostgresStore::open(postgres, clock, plan.store).await?)))
            }
        }
    }

    fn tasks(&self) -> Arc<dyn TaskStore> {
        match self {
            Self::File(store) => Arc::<SqliteStore>::clone(store),
            Self::Shared(store) => Arc::<PostgresStore>::clone(store),
        }
    }

    async fn close(&self) {
        match self {
            Self::File(store) => store.close().await,
            Self::Shared(store) => store.close().await,
        }
    }
}

/// A server that runs. Dropping it ends it at once.
#[derive(Debug)]
pub(crate) struct RunningServer {
    store: Kept,
    handle: ServerHandle,
    control: JoinSet<()>,
    stop: CancellationToken,
    data_dir: PathBuf,
}

impl RunningServer {
    /// Opens the store and listens.
    pub(crate) async fn start(plan: ServerPlan) -> anyhow::Result<Self> {
        make_folder(&plan.data_dir)?;
        let store = Kept::open(&plan).await;
        let store = store.map_err(|error| Failure::new(Exit::Failed, error.to_string()).caused_by(error))?;
        let ServerPlan { listen, data_dir, tls, .. } = plan;
        let tasks = store.tasks();
        let stop = CancellationToken::new();
        let config = ServerConfig { tls, ..ServerConfig::new(listen, &data_dir) };
        let control = Control::new(tasks, Arc::new(SystemClock));
        let handle = server::serve(config, control.clone(), stop.clone()).await.map_err(refused)?;
        let mut running = JoinSet::new();
        running.spawn(control.run(stop.clone()));
        Ok(Self { store, handle, control: running, stop, data_dir })
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        self.handle.url()
    }

    /// The installation that it serves.
    pub(crate) fn installation(&self) -> InstallationId {
        self.handle.installation().id()
    }

    /// The folder of its data.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The file with the admin token.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.data_dir.join(ADMIN_TOKEN_FILE)
    }

    /// The restore from a backup that nobody has confirmed yet.
    pub(crate) async fn restored(&self) -> anyhow::Result<Option<Restored>> {
        Ok(self.store.tasks().status().await?.restored)
    }

    /// Answers when a part of it has ended by itself, which none should: what is left would serve in vain.
    pub(crate) async fn broken(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = self.handle.broken() => anyhow::Error::from(ended).context("the listener ended by itself"),
            ended = self.control.join_next() => {
                let fault = match ended {
                    Some(Err(error)) => anyhow::Error::from(error),
                    Some(Ok(())) | None => anyhow!("nobody told it to"),
                };
                fault.context("the control plane ended by itself")
            }
        }
    }

    /// Lets what is in flight finish, then ends.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.handle.stopped().await?;
        while let Some(ended) = self.control.join_next().await {
            ended.context("the control plane ended otherwise than it should")?;
        }
        self.store.close().await;
        Ok(())
    }
}

/// Makes the data folder, for its owner only.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        let text = format!("cannot make the folder {}: {error}", folder.display());
        Failure::new(Exit::Failed, text).advice("name another one with --data-dir").caused_by(error).into()
    })
}

/// A server that cannot start, in the words of the command line.
fn refused(error: ServerError) -> anyhow::Error {
    if let ServerError::Listen { listen, source } = &error
        && source.kind() == ErrorKind::AddrInUse
    {
        let (address, port) = (listen.ip(), listen.port());
        return Failure::new(Exit::Failed, format!("port {port} on {address} is taken by another program"))
            .advice(format!("end that program, or choose another port: --listen {address}:{}", other(port)))
            .caused_by(error)
            .into();
    }
    match error {
        ServerError::TlsNeeded { .. } | ServerError::Tls(_) => Failure::usage(error.to_string()).into(),
        ServerError::Listen { .. } | ServerError::Keys(_) | ServerError::Ended(_) | _ => error.into(),
    }
}

const fn other(port: u16) -> u16 {
    if port == u16::MAX { port - 1 } else { port + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn started(folder: &Path) -> RunningServer {
        let (listen, data_dir) = (SocketAddr::from(([127, 0, 0, 1], 0)), folder.to_owned());
        RunningServer::start(ServerPlan {
            listen,
            data_dir,
            database: None,
            tls: None,
            store: StoreSettings::default(),
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_server_whose_control_plane_broke_is_broken_and_can_still_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = started(folder.path()).await;
        server.control.spawn(async { panic!("a fault") });
        let broken = format!("{:#}", server.broken().await);
        assert!(broken.contains("control plane") && broken.contains("a fault"), "{broken}");
        server.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_runs_or_was_told_to_stop_is_not_broken() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = started(folder.path()).await;
        assert!(futures::poll!(std::pin::pin!(server.broken())).is_pending());
        server.stop().await.unwrap();
    }
}
