//! How a command reaches its server, and what a failed call means to the one who typed it.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use graphium_core::store::StoreErrorKind;
use graphium_http::client::{Client, ClientError};
use graphium_http::server::ADMIN_TOKEN_FILE;

use crate::data_dir;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// Where a server is when nothing is said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8095";
/// A person waits for the answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The options by which every command finds its server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The server [default: http://127.0.0.1:8095]
    #[arg(long, env = "GRAPHIUM_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The token; better in the variable or a file than on the command line
    #[arg(long, env = "GRAPHIUM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file with the token [default: admin.token of a server on this machine]
    #[arg(long, env = "GRAPHIUM_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The authority that signed the server's certificate, as PEM
    #[arg(long, env = "GRAPHIUM_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl ConnectionArgs {
    /// The server's client. Calls nobody yet.
    pub(crate) fn open(self, settings: Settings) -> anyhow::Result<Client> {
        let file = settings.client;
        let url = self.server.or(file.server).unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        // What was said on the command line, as a token or as a file, goes before all that the settings file says.
        let token = match (self.token, self.token_file) {
            (Some(token), _) => Some(token),
            (None, Some(path)) => Some(read_token(&path)?),
            (None, None) => match (file.token, file.token_file) {
                (Some(token), _) => Some(token),
                (None, Some(path)) => Some(read_token(&path)?),
                (None, None) => local_admin_token(&url, settings.data_dir)?,
            },
        };
        let token = token.ok_or_else(|| {
            Failure::usage(format!("no token for {url}")).advice(
                "name one with --token-file or GRAPHIUM_TOKEN; `graphium token create --role user` makes one on the server",
            )
        })?;
        let ca = self.ca_file.or(file.ca_file);
        client(&url, ca.as_deref(), Some(token.trim()))
    }
}

/// A client of a server.
pub(crate) fn client(url: &str, ca_file: Option<&Path>, token: Option<&str>) -> anyhow::Result<Client> {
    let mut builder = Client::builder(url).connect_timeout(CONNECT_TIMEOUT);
    if let Some(token) = token {
        builder = builder.token(token);
    }
    if let Some(path) = ca_file {
        let pem = std::fs::read(path);
        builder = builder.ca_certificate(pem.with_context(|| format!("cannot read the authority {}", path.display()))?);
    }
    Ok(builder.build().map_err(refused)?)
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let text = format!("cannot read the token file {}: {error}", path.display());
        Failure::usage(text).advice("name another one with --token-file").into()
    })
}

/// The admin token of a server on this machine, which only its owner can read.
fn local_admin_token(url: &str, named: Option<PathBuf>) -> anyhow::Result<Option<String>> {
    if !is_local(url) {
        return Ok(None);
    }
    let variable = std::env::var_os("GRAPHIUM_DATA_DIR").map(PathBuf::from);
    let Ok(folder) = data_dir::data_dir(variable.or(named)) else { return Ok(None) };
    let path = folder.join(ADMIN_TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(Some(token)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read the admin token {}: {error}", path.display()))
            .advice("act as the user who runs the server, or name a token of your own with --token-file")
            .into()),
    }
}

/// Whether a token of this machine may be sent there.
fn is_local(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The same error in the words of the command line, where it is a failed call.
pub(crate) fn explained(error: anyhow::Error) -> anyhow::Error {
    error.downcast::<ClientError>().map_or_else(|error| error, |error| refused(error).into())
}

/// What a failed call means to the one who typed the command.
pub(crate) fn refused(error: ClientError) -> Failure {
    let text = error.to_string();
    match &error {
        ClientError::Setup(_) => {
            Failure::usage(text).advice("a server is written as http://HOST:PORT or https://HOST:PORT")
        }
        ClientError::Unreachable { url, .. } => Failure::new(Exit::Unreachable, format!("no server answers at {url}"))
            .advice("start one with `graphium server`, or name another one with --server")
            .caused_by(error),
        ClientError::Unreadable { .. } => Failure::new(Exit::Unreachable, text)
            .advice("is this the address of a Graphium server? name it with --server"),
        ClientError::Refused(_) | _ => match error.kind() {
            StoreErrorKind::Unavailable => Failure::new(Exit::Unreachable, text),
            StoreErrorKind::Conflict | StoreErrorKind::Superseded => Failure::new(Exit::Conflict, text),
            StoreErrorKind::Held => Failure::new(Exit::Conflict, text).advice(
                "see what differs with `graphium store status`, then let it go on with `graphium store confirm --yes`",
            ),
            StoreErrorKind::Unauthorized => Failure::new(Exit::Failed, text).advice(
                "the token is not, or no longer, good here: name another one with --token-file or GRAPHIUM_TOKEN",
            ),
            StoreErrorKind::NotFound
            | StoreErrorKind::Invalid
            | StoreErrorKind::SessionEnded
            | StoreErrorKind::AgentInUse
            | StoreErrorKind::Forbidden
            | StoreErrorKind::Gone
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Internal
            | _ => Failure::new(Exit::Failed, text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_token_of_this_machine_never_leaves_it() {
        for url in ["http://127.0.0.1:8095", "http://localhost:1", "http://[::1]:8095/", "https://127.0.0.2"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["http://10.0.0.1:8095", "https://graphium.example", "http://127.0.0.1.example", "nonsense"] {
            assert!(!is_local(url), "{url}");
        }
    }
}
