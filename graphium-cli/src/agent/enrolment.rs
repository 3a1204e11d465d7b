//! An agent's key and membership, kept in files that only their owner can read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use graphium_core::id::{AgentId, InstallationId};
use graphium_http::client::{AgentCredential, AgentKey, Client, ClientError, HttpAgent};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::connection::refused;
use crate::exit::{Exit, Failure};

const KEY_FILE: &str = "agent.key";
const MEMBERSHIP_FILE: &str = "agent.json";
/// Between two tries to reach the server at the first start.
const KNOCK_EVERY: Duration = Duration::from_secs(2);

/// What an agent keeps between its lives.
#[derive(Debug)]
pub(super) struct Enrolment {
    folder: PathBuf,
    id: AgentId,
    key: AgentKey,
    membership: Option<Membership>,
}

/// To whom it belongs. Written when it has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Membership {
    agent_id: AgentId,
    installation: InstallationId,
}

/// An agent that has joined.
#[derive(Debug)]
pub(super) struct Enrolled {
    pub(super) store: HttpAgent,
    pub(super) installation: InstallationId,
    pub(super) machine: String,
}

impl Enrolment {
    /// Opens the state folder, and makes folder and key at the first start.
    pub(super) fn open(folder: &Path, id: &AgentId) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the state folder {}", folder.display()))?;
        let membership: Option<Membership> = match read(&folder.join(MEMBERSHIP_FILE))? {
            Some(text) => Some(serde_json::from_str(&text).with_context(|| damaged(folder, MEMBERSHIP_FILE))?),
            None => None,
        };
        if let Some(other) = membership.as_ref().map(|membership| &membership.agent_id).filter(|other| *other != id) {
            let text = format!("the state folder {} belongs to agent {other}, not to {id}", folder.display());
            return Err(Failure::usage(text)
                .advice("name another one with --state-dir: each agent has its own")
                .into());
        }
        let key = match read(&folder.join(KEY_FILE))? {
            Some(text) => AgentKey::from_text(&text).with_context(|| damaged(folder, KEY_FILE))?,
            None => {
                let key = AgentKey::generate().map_err(refused)?;
                // Kept before it is used: a join whose answer is lost can be repeated.
                write(&folder.join(KEY_FILE), &key.to_text())?;
                key
            }
        };
        Ok(Self { folder: folder.to_owned(), id: id.clone(), key, membership })
    }

    /// The connection of the agent. At the first start it joins, which waits until the server answers.
    pub(super) async fn enrol(self, client: &Client, token: Option<&str>) -> anyhow::Result<Enrolled> {
        let machine = format!("ed25519:{}", self.key.public_key());
        let known = AgentCredential::new(self.id.clone(), self.key.clone());
        if let Some(membership) = &self.membership {
            // A server that is away now is waited for by the agent itself.
            let is_good = match known.installation(client).await {
                Err(error) if is_refused(&error) && token.is_some() => false,
                Err(_) => true,
                Ok(installation) => installation == membership.installation,
            };
            if is_good {
                let installation = membership.installation;
                return Ok(Enrolled { store: HttpAgent::new(client.clone(), known), installation, machine });
            }
        }
        let token = token.ok_or_else(|| {
            Failure::usage(format!("agent {} has not joined {} yet", self.id, client.url()))
                .advice("make a token on the server with `graphium token create`, and start once with --join-token")
        })?;
        let credential = self.join(client, token, &machine).await?;
        let installation = credential.installation(client).await.map_err(refused)?;
        let membership = Membership { agent_id: self.id.clone(), installation };
        write(&self.folder.join(MEMBERSHIP_FILE), &serde_json::to_string_pretty(&membership)?)?;
        Ok(Enrolled { store: HttpAgent::new(client.clone(), credential), installation, machine })
    }

    async fn join(&self, client: &Client, token: &str, machine: &str) -> anyhow::Result<AgentCredential> {
        let mut told = false;
        loop {
            match AgentCredential::join(client, token.trim(), self.id.clone(), self.key.clone(), machine).await {
                Ok(credential) => return Ok(credential),
                Err(error) if error.is_unreachable() => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(server = client.url(), "the server does not answer: trying again until it does");
                    }
                    sleep(KNOCK_EVERY).await;
                }
                Err(error) if is_refused(&error) => {
                    let text = format!("the server does not take the join token: {error}");
                    let failure = Failure::new(Exit::Failed, text);
                    return Err(failure
                        .advice("make a new one with `graphium token create`; each is good for one agent, once")
                        .into());
                }
                Err(error) => return Err(refused(error).into()),
            }
        }
    }
}

fn is_refused(error: &ClientError) -> bool {
    use graphium_core::store::StoreErrorKind;
    matches!(error.kind(), StoreErrorKind::Unauthorized | StoreErrorKind::Forbidden | StoreErrorKind::NotFound)
}

fn damaged(folder: &Path, file: &str) -> String {
    format!("{} is damaged: restore it, or remove it and join anew with a token", folder.join(file).display())
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes a file for its owner only, whole or not at all.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("new");
    let put = || -> io::Result<()> {
        // A draft that a crash has left is written anew.
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    put().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn id(text: &str) -> AgentId {
        AgentId::new(text).unwrap()
    }

    #[test]
    fn the_key_of_the_first_start_is_the_key_of_every_start_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("agents/vm1");
        let first = Enrolment::open(&state, &id("vm1")).unwrap();
        let second = Enrolment::open(&state, &id("vm1")).unwrap();
        assert_eq!(first.key.public_key(), second.key.public_key());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state.join(KEY_FILE)), 0o600);
        assert_eq!(mode(&state), 0o700);
    }

    #[test]
    fn the_state_folder_of_another_agent_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let membership = Membership { agent_id: id("vm1"), installation: InstallationId::generate() };
        write(&folder.path().join(MEMBERSHIP_FILE), &serde_json::to_string(&membership).unwrap()).unwrap();
        let error = Enrolment::open(folder.path(), &id("vm2")).unwrap_err();
        assert!(error.to_string().contains("belongs to agent vm1"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join(KEY_FILE), "not a key").unwrap();
        let error = Enrolment::open(folder.path(), &id("vm1")).unwrap_err();
        assert!(error.to_string().contains("join anew"), "{error}");
    }
}
