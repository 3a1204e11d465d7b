//! Whether there is a container engine, and what it means when there is none.

use graphium_core::deploy::docker::DockerRuntime;
use libtest_mimic::{Failed, Trial};

/// The variable that turns a missing engine from a reason to skip into a failure.
const REQUIRED: &str = "GRAPHIUM_REQUIRE_ENGINE";

/// What the tests of this run need to know about the engine.
#[derive(Debug, Clone)]
pub struct EnginePresence {
    missing: Option<String>,
    required: bool,
}

impl EnginePresence {
    /// Asks the engine once.
    ///
    /// # Errors
    /// When no runtime can be made to ask with.
    pub fn look() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let missing = runtime.block_on(DockerRuntime::connect()).err().map(|error| error.to_string());
        Ok(Self { missing, required: std::env::var_os(REQUIRED).is_some_and(|value| value == "1") })
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.missing.is_none()
    }

    /// Whether tests that need it are ignored.
    #[must_use]
    pub fn is_ignored(&self) -> bool {
        self.missing.is_some() && !self.required
    }

    /// A test that needs the engine. Without one it is reported as ignored, never as passed; where an engine is
    /// required it fails.
    pub fn trial(&self, name: impl Into<String>, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
        let (missing, ignored) = (self.missing.clone(), self.is_ignored());
        let test = move || match missing {
            Some(why) => Err(Failed::from(why)),
            None => test(),
        };
        Trial::test(name, test).with_ignored_flag(ignored)
    }
}
