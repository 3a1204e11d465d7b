//! What the demo has brought into being so far, so that all of it can be removed wherever the story ends.

use std::path::PathBuf;

use anyhow::Context as _;
use graphium_core::id::InstallationId;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::engine::Engine;
use super::site::Site;

/// What there is.
#[derive(Debug)]
pub(super) struct Stage {
    /// The engine.
    pub(super) engine: Engine,
    /// The folder of server and agents.
    pub(super) folder: TempDir,
    /// Server and agents.
    pub(super) cluster: Option<Cluster>,
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
        Ok(Self { engine, folder, cluster: None, image: None, site: None })
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
