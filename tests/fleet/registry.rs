//! A real registry on loopback, as Debian packages it.

use std::process::Stdio;

use anyhow::{Context, ensure};
use graphium_tests::free_port;
use tokio::process::{Child, Command};

use crate::deployments::removed;
use crate::process::{Fleet, eventually};
use crate::refusals::failure;
use crate::site::Site;

const PROGRAM: &str = "docker-registry";
/// The variable that turns a missing registry from a reason to skip into a failure.
const REQUIRED: &str = "GRAPHIUM_REQUIRE_REGISTRY";

/// Whether the stories of the registry are to be told: it is installed, or must be.
pub(crate) fn is_told() -> bool {
    let is_required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
    is_required || std::process::Command::new(PROGRAM).arg("--version").output().is_ok()
}

struct Registry {
    address: String,
    _program: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let settings = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: \"{address}\" }}\n",
            folder.path().join("images").display()
        );
        let file = folder.path().join("registry.yml");
        std::fs::write(&file, settings)?;
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let program = command.spawn().with_context(|| format!("{PROGRAM} does not start"))?;
        let url = format!("http://{address}/v2/");
        eventually("the registry answers", || async { Ok(reqwest::get(&url).await.is_ok().then_some(())) }).await?;
        Ok(Self { address, _program: program, _folder: folder })
    }
}

pub(crate) async fn an_image_that_its_registry_does_not_have_fails_at_once_and_is_not_tried_again() -> anyhow::Result<()>
{
    let (site, fleet, registry) = (Site::open().await?, Fleet::start(&["host1"]).await?, Registry::start().await?);
    let mut definition = site.definition(include_str!("stacks/simple.json"))?;
    let image = format!("{}/no-such-image:1", registry.address);
    definition.document["@graph"][0]["hasPart"][0]["image"] = image.clone().into();
    let task = failure(&fleet, &definition).await?;
    ensure!(task["error"]["code"] == "image_not_found", "{task}");
    ensure!(task["error"]["message"].as_str().is_some_and(|message| message.contains(&image)), "{task}");
    removed(&site, &fleet, &definition).await?;
    site.close().await
}
