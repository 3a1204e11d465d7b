//! Bringing images to the host, by policy.

use serde_json::json;

use super::{EngineDeployer, go_on};
use crate::deploy::{DeployError, DeployErrorKind, ImageInfo, StepContext};
use crate::stack::PullPolicy;
use crate::task::{Outcome, PrefetchPayload};

const STEP: &str = "pull";

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
