//! The registry credentials that `docker login` keeps for this user: read anew for each pull, since they change.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

/// The registry of a reference that names none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The names under which logins to the default registry are kept.
const DEFAULT_REGISTRY_KEYS: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// Where the credentials are kept.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConfigFile {
    auths: BTreeMap<String, Login>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Login {
    auth: Option<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<String>,
}

impl Credentials {
    pub(super) fn of_this_user() -> Self {
        let folder = env::var_os("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
        Self { file: folder.map(|folder| folder.join("config.json")) }
    }

    /// The login for the registry of an image, if there is one. A file that cannot be read is told and passed over: most
    /// images need no login.
    pub(super) async fn for_image(&self, reference: &str) -> Option<DockerCredentials> {
        let file = self.file.clone()?;
        let shown = file.display().to_string();
        let text = match tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await {
            Ok(Ok(text)) => text,
            Ok(Err(missing)) if missing.kind() == std::io::ErrorKind::NotFound => return None,
            Ok(Err(error)) => {
                tracing::warn!(file = shown, %error, "the registry logins cannot be read; pulling without");
                return None;
            }
            Err(error) => {
                tracing::warn!(file = shown, %error, "reading the registry logins was cut off; pulling without");
                return None;
            }
        };
        match serde_json::from_str::<ConfigFile>(&text) {
            Ok(config) => login(config, registry_of(reference)),
            Err(error) => {
                tracing::warn!(file = shown, %error, "the registry logins are no such JSON; pulling without");
                None
            }
        }
    }
}

/// The registry that an image reference names.
fn registry_of(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DEFAULT_REGISTRY,
    }
}

fn login(config: ConfigFile, registry: &str) -> Option<DockerCredentials> {
    let wanted = |key: &str| {
        let host = key.trim_start_matches("https://").trim_start_matches("http://").split('/').next().unwrap_or(key);
        host == registry || (registry == DEFAULT_REGISTRY && DEFAULT_REGISTRY_KEYS.contains(&host))
    };
    let (address, login) = config.auths.into_iter().find(|(key, _)| wanted(key))?;
    let decoded = login.auth.and_then(|auth| String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok());
    let (username, password) = match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((username, password)) => (Some(username.to_owned()), Some(password.to_owned())),
        None => (None, None),
    };
    if username.is_none() && login.identity_token.is_none() {
        return None;
    }
    Some(DockerCredentials {
        username,
        password,
        serveraddress: Some(address),
        identitytoken: login.identity_token,
        ..DockerCredentials::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(json: &str, image: &str) -> Option<(Option<String>, Option<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, json).unwrap();
        let login = Credentials { file: Some(file) }.for_image(image).await?;
        Some((login.username, login.password))
    }

    // "ada:s3:cret"
    const LOGINS: &str = r#"{ "auths": {
        "https://index.docker.io/v1/": { "auth": "YWRhOnMzOmNyZXQ=" },
        "reg.example.com:5000": { "auth": "YWRhOnMzOmNyZXQ=" },
        "kept.elsewhere": {}
    }, "credsStore": "desktop" }"#;

    #[tokio::test]
    async fn the_login_of_the_images_registry_is_used_and_no_other() {
        let ada = Some((Some("ada".to_owned()), Some("s3:cret".to_owned())));
        assert_eq!(found(LOGINS, "nginx:1").await, ada);
        assert_eq!(found(LOGINS, "library/nginx").await, ada);
        assert_eq!(found(LOGINS, "reg.example.com:5000/web:1").await, ada);
        assert_eq!(found(LOGINS, "reg.example.com/web:1").await, None);
        assert_eq!(found(LOGINS, "kept.elsewhere/web:1").await, None);
        assert_eq!(found(LOGINS, "localhost/web").await, None);
    }

    #[tokio::test]
    async fn a_broken_or_missing_file_means_no_login() {
        assert_eq!(found("{ not json", "nginx").await, None);
        let nowhere = Credentials { file: Some(PathBuf::from("/nonexistent/config.json")) };
        assert!(nowhere.for_image("nginx").await.is_none());
    }
}
