//! Images: pulled from a registry, or brought without one.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures::StreamExt;

use super::DockerRuntime;
use super::error::{Doing, fault, silent};
use crate::deploy::{DeployError, DeployErrorKind, StepContext};
use crate::task::Progress;

/// The longest silence of a pull. How long the whole may take is the task's deadline.
const PULL_STALL: Duration = Duration::from_secs(300);

impl DockerRuntime {
    /// Makes an image of a file system without any registry. `changes` are lines of a Dockerfile: `CMD`, `ENTRYPOINT`,
    /// `ENV`, `EXPOSE`, `USER`, `VOLUME`, `WORKDIR`.
    ///
    /// # Errors
    /// [`DeployErrorKind::Invalid`] when the engine cannot read the archive or a change.
    pub async fn import_image(
        &self,
        reference: &str,
        file_system: Vec<u8>,
        changes: &[&str],
    ) -> Result<(), DeployError> {
        let (repository, tag) = repository_and_tag(reference);
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .changes(changes.iter().map(ToString::to_string).collect())
            .build();
        let mut told =
            Box::pin(self.docker.create_image(Some(options), Some(bollard::body_full(file_system.into())), None));
        while let Some(news) = self.next_news(Doing::Importing, reference, &mut told).await? {
            drop(news);
        }
        Ok(())
    }

    /// Removes an image, or this name of it; success when it is not there.
    ///
    /// # Errors
    /// [`DeployErrorKind::InUse`] when a container needs it.
    pub async fn remove_image(&self, reference: &str) -> Result<(), DeployError> {
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        let call = self.docker.remove_image(reference, Some(options), None);
        self.if_there(Doing::RemovingImage, reference, call).await.map(drop)
    }

    pub(super) async fn pull_image(&self, reference: &str, context: &StepContext) -> Result<(), DeployError> {
        let login = self.credentials.for_image(reference).await;
        let mut told = Box::pin(self.docker.create_image(Some(pull_options(reference)), None, login));
        let mut layers = Layers::default();
        while let Some(news) = self.next_news(Doing::Pulling, reference, &mut told).await? {
            if let Some(percent) = layers.hear(&news) {
                let message = Some(format!("{reference}: {}", news.status.unwrap_or_default()));
                context.progress.report(Progress { step: "pull".into(), percent: Some(percent), message });
            }
        }
        Ok(())
    }

    async fn next_news(
        &self,
        doing: Doing,
        reference: &str,
        told: &mut (impl futures::Stream<Item = Result<CreateImageInfo, bollard::errors::Error>> + Unpin),
    ) -> Result<Option<CreateImageInfo>, DeployError> {
        match tokio::time::timeout(PULL_STALL, told.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(news))) => Ok(Some(news)),
            // The engine answers for its registry here: that it cannot be reached says nothing about the engine.
            Ok(Some(Err(bollard::errors::Error::RequestTimeoutError))) if doing == Doing::Pulling => {
                Err(stalled(reference))
            }
            Ok(Some(Err(error))) => Err(fault(doing, reference, error)),
            Err(_) if doing == Doing::Pulling => Err(stalled(reference)),
            Err(_) => Err(silent(doing, reference, PULL_STALL)),
        }
    }
}

fn stalled(reference: &str) -> DeployError {
    let message = format!("pulling image {reference}: nothing came within {} s", PULL_STALL.as_secs());
    DeployError::new(DeployErrorKind::RegistryUnreachable, message)
}

fn pull_options(reference: &str) -> CreateImageOptions {
    if reference.contains('@') {
        return CreateImageOptionsBuilder::default().from_image(reference).build();
    }
    let (repository, tag) = repository_and_tag(reference);
    CreateImageOptionsBuilder::default().from_image(repository).tag(tag).build()
}

/// The two parts of a reference: a colon before the last slash belongs to a registry's port.
fn repository_and_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, "latest"),
    }
}

/// How far the layers of an image are.
#[derive(Debug, Default)]
struct Layers {
    bytes: BTreeMap<String, (i64, i64)>,
    last: Option<u8>,
}

impl Layers {
    /// Takes one piece of news; answers with the whole percent when it has changed.
    fn hear(&mut self, news: &CreateImageInfo) -> Option<u8> {
        let detail = news.progress_detail.as_ref()?;
        let (layer, current, total) = (news.id.clone()?, detail.current?, detail.total?);
        // Extracting counts the same bytes again: a layer never goes back.
        let known = self.bytes.entry(layer).or_default();
        *known = (known.0.max(current), known.1.max(total));
        let (current, total) = self.bytes.values().fold((0, 0), |(c, t), (current, total)| (c + current, t + total));
        let percent = u8::try_from((current * 100).checked_div(total)?.clamp(0, 100)).ok()?;
        (self.last.replace(percent) != Some(percent)).then_some(percent)
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert_eq!(repository_and_tag("localhost:5000/web"), ("localhost:5000/web", "latest"));
        assert_eq!(repository_and_tag("localhost:5000/web:2"), ("localhost:5000/web", "2"));
        assert_eq!(repository_and_tag("web"), ("web", "latest"));
    }

    #[test]
    fn a_digest_is_pulled_as_it_is() {
        assert_eq!(pull_options("web@sha256:ab").from_image.as_deref(), Some("web@sha256:ab"));
        assert_eq!(pull_options("web").tag.as_deref(), Some("latest"));
    }

    #[test]
    fn progress_is_told_when_the_percent_over_all_layers_changes() {
        let news = |layer: &str, current, total| CreateImageInfo {
            id: Some(layer.to_owned()),
            progress_detail: Some(ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        assert_eq!(layers.hear(&news("a", 50, 100)), Some(50));
        assert_eq!(layers.hear(&news("a", 50, 100)), None);
        assert_eq!(layers.hear(&news("b", 0, 100)), Some(25));
        assert_eq!(layers.hear(&CreateImageInfo::default()), None);
    }
}
