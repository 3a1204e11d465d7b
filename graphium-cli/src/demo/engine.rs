//! The engine of the demo: the real one, or one in memory where none answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use graphium_core::deploy::docker::DockerRuntime;
use graphium_core::deploy::{MemoryImage, MemoryRuntime, Runtime};

use super::image;
use super::narrator::Narrator;
use super::page;

/// How long a container in memory takes to be healthy.
const SIMULATED_START: Duration = Duration::from_secs(1);

/// Where the demo's containers run.
#[derive(Debug)]
pub(super) enum Engine {
    /// A real one.
    Docker(Arc<DockerRuntime>),
    /// One in memory.
    Memory(Arc<MemoryRuntime>),
}

impl Engine {
    /// The engine that answers, else the one in memory.
    pub(super) async fn find(memory: bool, socket: Option<PathBuf>, tell: &mut Narrator) -> anyhow::Result<Self> {
        if memory {
            tell.warn("engine in memory, as asked for: containers and their answers are simulated")?;
            return Ok(Self::memory());
        }
        let named = socket.is_some();
        match Self::connect(socket).await {
            Ok(engine) => Ok(engine),
            // Who names a socket wants that one.
            Err(error) if named => Err(error),
            Err(error) => {
                tell.warn(format_args!("no container engine answers: {error:#}"))?;
                tell.say("  To get one: `apt-get install docker.io` (Debian, Ubuntu), or https://docs.docker.com/engine/install/,")?;
                tell.say("  and let your user use it: `usermod -aG docker $USER`, then log in again.")?;
                tell.warn(
                    "the same story now runs on an ENGINE IN MEMORY: containers and their answers are simulated",
                )?;
                Ok(Self::memory())
            }
        }
    }

    fn memory() -> Self {
        Self::Memory(Arc::new(MemoryRuntime::new()))
    }

    async fn connect(socket: Option<PathBuf>) -> anyhow::Result<Self> {
        let runtime = match &socket {
            Some(socket) => DockerRuntime::connect_with(socket).await?,
            None => DockerRuntime::connect().await?,
        };
        let engine = runtime.engine().await?;
        if engine.os != "linux" || !same_machine(&engine.architecture) {
            bail!(
                "the engine runs {} {} containers, and this program is for another machine",
                engine.os,
                engine.architecture
            );
        }
        Ok(Self::Docker(Arc::new(runtime)))
    }

    /// Its primitives.
    pub(super) fn runtime(&self) -> Arc<dyn Runtime> {
        match self {
            Self::Docker(runtime) => Arc::clone(runtime) as _,
            Self::Memory(runtime) => Arc::clone(runtime) as _,
        }
    }

    /// Whether containers are real.
    pub(super) const fn is_real(&self) -> bool {
        matches!(self, Self::Docker(_))
    }

    /// Its name for people.
    pub(super) async fn describe(&self) -> anyhow::Result<String> {
        let engine = self.runtime().engine().await?;
        Ok(format!("{} {}", engine.name, engine.version))
    }

    /// Brings the demo's image into being, and says how.
    pub(super) async fn make_image(&self, reference: &str) -> anyhow::Result<String> {
        let runtime = match self {
            Self::Docker(runtime) => runtime,
            Self::Memory(runtime) => {
                runtime.load(reference, MemoryImage::server().healthy_after(SIMULATED_START));
                return Ok("is simulated: the engine in memory needs only its name".to_owned());
            }
        };
        let packed = tokio::task::spawn_blocking(image::pack).await.context("packing the image was interrupted")??;
        let megabytes = packed.tar.len() as f64 / 1e6;
        let how = match packed.libraries {
            0 => format!("made of this program alone ({megabytes:.0} MB), no registry asked"),
            count => format!("made of this program and its {count} libraries ({megabytes:.0} MB), no registry asked"),
        };
        let entrypoint = format!("ENTRYPOINT [\"{}\", \"demo-page\"]", image::EXECUTABLE);
        let libraries = format!("ENV LD_LIBRARY_PATH={}", packed.library_path);
        runtime.import_image(reference, packed.tar, &[&entrypoint, &libraries]).await?;
        Ok(how)
    }

    /// Removes the demo's image, if it is there, and makes sure that it is gone.
    pub(super) async fn remove_image(&self, reference: &str) -> anyhow::Result<()> {
        let Self::Docker(runtime) = self else { return Ok(()) };
        runtime.remove_image(reference).await?;
        ensure!(runtime.image(reference).await?.is_none(), "image {reference} is still there");
        Ok(())
    }

    /// What is answered at an address.
    pub(super) async fn fetch(&self, address: SocketAddr) -> anyhow::Result<String> {
        match self {
            Self::Docker(_) => page::fetch(address).await,
            Self::Memory(runtime) => {
                let answer = runtime.answer(address.port()).with_context(|| format!("nothing answers at {address}"))?;
                let value = |name: &str| {
                    let mut lines = answer.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
                };
                Ok(page::page(value).trim_end().to_owned())
            }
        }
    }
}

/// Whether an engine's word for its processor means this one.
fn same_machine(architecture: &str) -> bool {
    let here = std::env::consts::ARCH;
    architecture == here || matches!((architecture, here), ("amd64", "x86_64") | ("arm64", "aarch64"))
}
