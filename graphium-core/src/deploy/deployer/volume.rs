//! The volumes of a stack on this host.

use std::collections::BTreeMap;

use super::{EngineDeployer, go_on};
use crate::deploy::{DeployError, DeployErrorKind, RuntimeMount, StepContext, label};
use crate::id::StackName;
use crate::stack::{MountSource, MountSpec};

const STEP: &str = "volume";

impl EngineDeployer {
    /// Makes sure that the volumes are there and answers with the mounts in the engine's terms.
    pub(super) async fn ensure_mounts(
        &self,
        stack: Option<&StackName>,
        mounts: &[MountSpec],
        context: &StepContext,
    ) -> Result<Vec<RuntimeMount>, DeployError> {
        let mut ready = Vec::with_capacity(mounts.len());
        for mount in mounts {
            let MountSpec { target, read_only, .. } = mount.clone();
            ready.push(match &mount.source {
                MountSource::Bind { path } => RuntimeMount::Bind { path: path.clone(), target, read_only },
                MountSource::Tmpfs => RuntimeMount::Tmpfs { target },
                MountSource::Volume { name, driver, external } => {
                    go_on(context, STEP)?;
                    let ensured = if *external {
                        self.external_volume(name).await
                    } else {
                        self.own_volume(stack, name, driver.as_deref()).await
                    };
                    RuntimeMount::Volume { name: ensured.map_err(|e| e.in_step(STEP))?, target, read_only }
                }
            });
        }
        Ok(ready)
    }

    /// An engine would make a missing volume silently, so it is looked for.
    async fn external_volume(&self, name: &str) -> Result<String, DeployError> {
        let all = self.runtime.volumes(&BTreeMap::new()).await?;
        if all.iter().any(|volume| volume.name == name) {
            return Ok(name.to_owned());
        }
        let message = format!(
            "external volume {name} is not on host {}; external volumes are never made here, so make it there first",
            self.owner.host
        );
        Err(DeployError::new(DeployErrorKind::NotFound, message))
    }

    async fn own_volume(
        &self,
        stack: Option<&StackName>,
        name: &str,
        driver: Option<&str>,
    ) -> Result<String, DeployError> {
        let engine_name = self.owner.object_name(stack, name);
        let mut labels = self.owner.labels();
        labels.insert(label::VOLUME.to_owned(), name.to_owned());
        if let Some(stack) = stack {
            labels.insert(label::STACK.to_owned(), stack.to_string());
        }
        let volume = self.runtime.create_volume(&engine_name, driver, &labels).await?;
        if self.owner.owns(&volume.labels) {
            return Ok(engine_name);
        }
        let message = format!(
            "a volume {engine_name} exists that does not belong to this host of this installation; \
             it is left alone: remove it, or declare the volume external"
        );
        Err(DeployError::new(DeployErrorKind::NameConflict, message))
    }
}
