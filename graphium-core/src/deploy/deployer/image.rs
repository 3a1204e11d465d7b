//! Bringing images to the host, by policy.

use serde_json::json;

use super::{EngineDeployer, go_on};
use crate::deploy::{DeployError, DeployErrorKind, ImageInfo, StepContext};
use crate::stack::PullPolicy;
use crate::task::{Outcome, PrefetchPayload};

const STEP: &str = "pull";
/// What a reference by digest holds.
const DIGEST_MARK: &str = "@sha256:";

/// What the host had of an image before and has after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) before: Option<String>,
    pub(super) image: ImageInfo,
}

impl Fetched {
    /// For the record: which image a reference meant, then and now.
    pub(super) fn report(&self, reference: &str) -> serde_json::Value {
        let digest = self.image.digests.first();
        json!({ "reference": reference, "before": self.before, "after": self.image.id, "digest": digest })
    }
}

impl EngineDeployer {
    /// Makes sure that the host has an image, as the policy says.
    pub(super) async fn ensure_image(
        &self,
        reference: &str,
        policy: PullPolicy,
        context: &StepContext,
    ) -> Result<Fetched, DeployError> {
        go_on(context, STEP)?;
        let here = self.runtime.image(reference).await.map_err(|e| e.in_step(STEP))?;
        let before = here.as_ref().map(|image| image.id.clone());
        // A digest means one image for ever: what is here needs no registry, which may have dropped it.
        let policy = if reference.contains(DIGEST_MARK) && here.is_some() { PullPolicy::IfNotPresent } else { policy };
        match (here, policy) {
            (Some(image), PullPolicy::IfNotPresent | PullPolicy::Never) => Ok(Fetched { before, image }),
            (None, PullPolicy::Never) => {
                let message = format!(
                    "image {reference} is not on host {} and its pull policy is never; \
                     load it there or choose another policy",
                    self.owner.host
                );
                Err(DeployError::new(DeployErrorKind::ImageNotFound, message).in_step(STEP))
            }
            (None, PullPolicy::IfNotPresent) | (_, PullPolicy::Always) => {
                let image = self.pull(reference, context).await.map_err(|e| e.in_step(STEP))?;
                Ok(Fetched { before, image })
            }
        }
    }

    async fn pull(&self, reference: &str, context: &StepContext) -> Result<ImageInfo, DeployError> {
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => {
                let message = format!("cancelled while pulling {reference}; nothing was changed");
                return Err(DeployError::new(DeployErrorKind::Cancelled, message));
            }
            pulled = self.runtime.pull(reference, context) => pulled?,
        }
        self.runtime.image(reference).await?.ok_or_else(|| {
            let message = format!("image {reference} was pulled and is not on the host; was it removed meanwhile?");
            DeployError::new(DeployErrorKind::Internal, message)
        })
    }

    pub(super) async fn prefetch_images(
        &self,
        payload: &PrefetchPayload,
        context: &StepContext,
    ) -> Result<Outcome, DeployError> {
        let mut images = Vec::with_capacity(payload.images.len());
        for (reference, policy) in &payload.images {
            images.push(self.ensure_image(reference, *policy, context).await?.report(reference));
        }
        Ok(Outcome { data: json!({ "images": images }), ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::deploy::{HostIdentity, MemoryImage, MemoryRuntime};
    use crate::id::{AgentId, InstallationId};

    fn host() -> (MemoryRuntime, EngineDeployer) {
        let engine = MemoryRuntime::new();
        let owner = HostIdentity { installation: InstallationId::generate(), host: AgentId::new("vm1").unwrap() };
        (engine.clone(), EngineDeployer::new(Arc::new(engine), owner))
    }

    #[tokio::test]
    async fn always_brings_the_newer_image_of_a_tag_and_if_not_present_keeps_the_older() {
        let (engine, deployer) = host();
        engine.load("web:1", MemoryImage::server());
        engine.publish("web:1", MemoryImage::server());
        let context = StepContext::detached();

        let kept = deployer.ensure_image("web:1", PullPolicy::IfNotPresent, &context).await.unwrap();
        assert_eq!(kept.before.as_ref(), Some(&kept.image.id));
        let pulled = deployer.ensure_image("web:1", PullPolicy::Always, &context).await.unwrap();
        assert_eq!(pulled.before, kept.before);
        assert_ne!(pulled.image.id, kept.image.id);
    }

    #[tokio::test]
    async fn an_image_by_digest_that_is_here_needs_no_registry() {
        let (engine, deployer) = host();
        engine.load("web@sha256:ab", MemoryImage::server());
        engine.publish("web@sha256:ab", MemoryImage::missing());
        let fetched = deployer.ensure_image("web@sha256:ab", PullPolicy::Always, &StepContext::detached()).await;
        assert!(fetched.is_ok(), "{fetched:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancel_reaches_a_pull() {
        let (engine, deployer) = host();
        engine.publish("big:1", MemoryImage::server().pulled_in(std::time::Duration::from_secs(3600)));
        let context = StepContext::detached();
        let (fetched, ()) = tokio::join!(deployer.ensure_image("big:1", PullPolicy::IfNotPresent, &context), async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            context.cancel.cancel();
        });
        assert_eq!(fetched.unwrap_err().kind(), DeployErrorKind::Cancelled);
    }
}
