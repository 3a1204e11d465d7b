//! Docker, and whatever speaks its API over a local socket.
//!
//! The only folder that names a type of the client library: each engine answer is read into the types of
//! [`deploy`](crate::deploy), each error into a [`DeployErrorKind`]. Speaks API 1.41 and later.

mod container;
mod credentials;
mod error;
mod events;
mod image;
mod reading;
mod runtime;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

use super::{DeployError, DeployErrorKind};
use credentials::Credentials;
use error::{Doing, fault};

/// The longest that the engine may take for a call, unless the call says how long its own work may take.
const CALL_PATIENCE: Duration = Duration::from_secs(120);
/// The same, for the greeting.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Where engines listen when nothing is said.
const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// A Docker engine.
///
/// # Example
/// ```no_run
/// # async fn example() -> Result<(), graphium_core::deploy::DeployError> {
/// use graphium_core::deploy::Runtime;
/// use graphium_core::deploy::docker::DockerRuntime;
///
/// let engine = DockerRuntime::connect().await?;
/// println!("{}", engine.engine().await?.version);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DockerRuntime {
    docker: Docker,
    credentials: Credentials,
    /// For each set of labels that somebody watches: the engine's time of the last event that was told.
    heard: Mutex<BTreeMap<BTreeMap<String, String>, String>>,
}

impl DockerRuntime {
    /// Connects to the engine that `DOCKER_HOST` names, or else to the one at its usual socket.
    ///
    /// # Errors
    /// [`DeployErrorKind::Unavailable`] when none answers, with how to get one.
    pub async fn connect() -> Result<Self, DeployError> {
        match env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => Self::connect_to(&host).await,
            _ => Self::connect_with(&usual_socket()).await,
        }
    }

    /// Connects to the engine at this socket.
    ///
    /// # Errors
    /// [`DeployErrorKind::Unavailable`] when none answers, with how to get one.
    pub async fn connect_with(socket: &Path) -> Result<Self, DeployError> {
        Self::connect_to(&format!("unix://{}", socket.display())).await
    }

    async fn connect_to(host: &str) -> Result<Self, DeployError> {
        let client = match host.split_once("://") {
            Some(("unix", _)) => Docker::connect_with_unix(host, CALL_PATIENCE.as_secs(), API_DEFAULT_VERSION),
            Some(("tcp" | "http", _)) => Docker::connect_with_http(host, CALL_PATIENCE.as_secs(), API_DEFAULT_VERSION),
            _ => {
                let message = format!(
                    "DOCKER_HOST is {host:?}; only unix:// and tcp:// are supported: no agent needs a remote engine, \
                     since it runs beside its own"
                );
                return Err(DeployError::new(DeployErrorKind::Invalid, message));
            }
        };
        let client = client.map_err(|error| no_engine(host, &error.to_string()))?;
        let greeted = tokio::time::timeout(CONNECT_PATIENCE, client.negotiate_version()).await;
        let docker = match greeted {
            Ok(Ok(docker)) => docker,
            Ok(Err(error)) => return Err(no_engine(host, &error::chain(&error))),
            Err(_) => return Err(no_engine(host, &format!("no answer within {} s", CONNECT_PATIENCE.as_secs()))),
        };
        Ok(Self { docker, credentials: Credentials::of_this_user(), heard: Mutex::default() })
    }

    /// One call to the engine: within its time, and with its error in our words.
    async fn call<T>(
        &self,
        doing: Doing,
        object: &str,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DeployError> {
        match tokio::time::timeout(CALL_PATIENCE, call).await {
            Ok(answer) => answer.map_err(|error| fault(doing, object, error)),
            Err(_) => Err(error::silent(doing, object, CALL_PATIENCE)),
        }
    }

    /// The same for an object whose absence is an answer.
    async fn if_there<T>(
        &self,
        doing: Doing,
        object: &str,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<Option<T>, DeployError> {
        let answer = self.call(doing, object, async {
            match call.await {
                Err(error) if error::status(&error) == Some(404) => Ok(None),
                other => other.map(Some),
            }
        });
        answer.await
    }
}

/// The system's socket; where there is none that of the user's own engine.
fn usual_socket() -> PathBuf {
    let system = PathBuf::from(SYSTEM_SOCKET);
    let own = [("XDG_RUNTIME_DIR", "docker.sock"), ("HOME", ".docker/run/docker.sock")]
        .into_iter()
        .filter_map(|(variable, path)| Some(PathBuf::from(env::var_os(variable)?).join(path)));
    std::iter::once(system.clone()).chain(own).find(|socket| socket.exists()).unwrap_or(system)
}

fn no_engine(host: &str, why: &str) -> DeployError {
    let advice = if why.to_ascii_lowercase().contains("permission denied") {
        "your user may not use it: add the user to the group `docker` and log in again, or run as root"
    } else {
        "start it (`systemctl start docker`), install one (https://docs.docker.com/engine/install/), or name another \
         by DOCKER_HOST"
    };
    DeployError::new(DeployErrorKind::Unavailable, format!("no container engine answers at {host}: {why}; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_without_an_engine_tells_how_to_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = DockerRuntime::connect_with(&folder.path().join("none.sock")).await.unwrap_err();
        assert_eq!(error.kind(), DeployErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains("none.sock") && text.contains("docs.docker.com"), "{text}");
    }

    #[tokio::test]
    async fn a_transport_that_is_not_spoken_is_refused_by_name() {
        let error = DockerRuntime::connect_to("ssh://vm1").await.unwrap_err();
        assert_eq!(error.kind(), DeployErrorKind::Invalid);
        assert!(error.to_string().contains("ssh://vm1"), "{error}");
    }
}
