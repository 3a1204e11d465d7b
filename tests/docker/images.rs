//! The images of these tests, under names that no other run has.

use std::sync::LazyLock;

use graphium_core::conformance::deployer::Behaviour;
use graphium_core::deploy::docker::DockerRuntime;
use graphium_core::id::ContainerName;
use graphium_core::stack::{ContainerSpec, HealthCheck, HealthProbe};
use graphium_tests::probe_image;

static IMAGE: LazyLock<String> = LazyLock::new(unique);
static OTHER_IMAGE: LazyLock<String> = LazyLock::new(|| IMAGE.replace(":1", ":2"));

/// The name of an image that nobody else has.
pub(crate) fn unique() -> String {
    format!("graphium-probe-{}:1", uuid::Uuid::new_v4().simple())
}

/// Makes the images.
pub(crate) async fn make() {
    let engine = DockerRuntime::connect().await.unwrap();
    probe_image(&engine, &IMAGE, &[80], &[]).await.unwrap();
    probe_image(&engine, &OTHER_IMAGE, &[80], &["other"]).await.unwrap();
}

/// Removes them again.
pub(crate) async fn remove() {
    let engine = DockerRuntime::connect().await.unwrap();
    for image in [&IMAGE, &OTHER_IMAGE] {
        engine.remove_image(image).await.unwrap();
    }
}

/// The container of a behaviour.
pub(crate) fn container(name: ContainerName, behaviour: Behaviour) -> ContainerSpec {
    let (command, check): (&[&str], &[&str]) = match behaviour {
        Behaviour::Serves | Behaviour::ServesOtherwise | Behaviour::IsMissing => (&["serve"], &[]),
        Behaviour::IgnoresStop => (&["stubborn"], &[]),
        Behaviour::Fails => (&["exit", "3"], &[]),
        Behaviour::Completes => (&["exit", "0"], &[]),
        Behaviour::TurnsHealthy => (&["slow", "1"], &["CMD", "/probe", "check", "80"]),
        Behaviour::TurnsUnhealthy => (&["serve"], &["CMD", "/probe", "fail"]),
    };
    let image = if behaviour == Behaviour::ServesOtherwise {
        OTHER_IMAGE.clone()
    } else if behaviour == Behaviour::IsMissing {
        IMAGE.replace(":1", ":no-such-tag")
    } else {
        IMAGE.clone()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut spec = ContainerSpec::new(name, image);
    spec.command = words(command);
    if !check.is_empty() {
        let probe = HealthProbe::Exec { command: words(check) };
        spec.health_check = Some(HealthCheck { probe, interval: 1, timeout: 1, retries: 2, start_period: 0 });
    }
    spec
}
