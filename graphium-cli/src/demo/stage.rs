//! What the demo has brought into being so far, so that all of it can be removed wherever the story ends.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use graphium_core::id::InstallationId;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::engine::Engine;
use super::site::Site;

/// What there is.
#[derive(Debug)]
pub(super) struct Stage {
    /// The engine.
    pub(super) engine: Arc<Engine>,
    /// The folder of server and agents.
    pub(super) folder: TempDir,
    /// Server and agents.
    pub(super) cluster: Option<Cluster>,
    /// The making of the image: not to be dropped half-way, since the engine would finish it unseen.
    pub(super) making: JoinSet<anyhow::Result<String>>,
    /// The image, once it may be there.
    pub(super) image: Option<String>,
    /// The stack, once it may be there.
    pub(super) site: Option<Site>,
}

impl Stage {
    /// An empty stage.
    pub(super) fn new(engine: Engine) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("graphium-demo-").tempdir();
        let folder = folder.context("cannot make a temporary folder: set TMPDIR to one that is writable")?;
        let engine = Arc::new(engine);
        Ok(Self { engine, folder, cluster: None, making: JoinSet::new(), image: None, site: None })
    }

    /// Server and agents.
    pub(super) fn cluster(&mut self) -> anyhow::Result<&mut Cluster> {
        self.cluster.as_mut().context("the server is not started yet")
    }

    /// The installation: what tells this demo's containers from everybody else's.
    pub(super) fn installation(&self) -> anyhow::Result<InstallationId> {
        Ok(self.cluster.as_ref().context("the server is not started yet")?.installation())
    }

    /// The stack file, as a user would have it.
    pub(super) fn stack_file(&self) -> PathBuf {
        self.folder.path().join("stack.json")
    }
}
