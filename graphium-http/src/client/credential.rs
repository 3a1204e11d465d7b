//! An agent's key, and the short-lived credential that it gets with it.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graphium_core::id::{AgentId, InstallationId};
use http::Method;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::builder::Client;
use super::error::ClientError;
use crate::wire::{Challenge, CredentialCall, CredentialReply, JoinCall, join_message, renewal_message};

/// A credential is renewed when this part of its life is left.
const RENEW_WITH_LEFT: u32 = 3;

/// The Ed25519 key by which an agent is known. It never leaves the host; keep it where only the agent may read.
#[derive(Clone)]
pub struct AgentKey {
    document: Arc<[u8]>,
    pair: Arc<Ed25519KeyPair>,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not an agent key (Ed25519, PKCS #8, base64url): let the agent join anew")]
pub struct InvalidKey;

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentKey").field("public", &self.public_key()).finish_non_exhaustive()
    }
}

impl AgentKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the machine gives no randomness.
    pub fn generate() -> Result<Self, ClientError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| ClientError::Setup("the machine gives no randomness for a key".into()))?;
        Self::from_document(document.as_ref()).map_err(|error| ClientError::Setup(error.to_string()))
    }

    /// The key that [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_text(text: &str) -> Result<Self, InvalidKey> {
        Self::from_document(&URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| InvalidKey)?)
    }

    fn from_document(document: &[u8]) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| InvalidKey)?;
        Ok(Self { document: document.into(), pair: Arc::new(pair) })
    }

    /// The key as text, to be kept in a file that only the agent may read.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.document)
    }

    /// The half that the server knows.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    fn sign(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(message))
    }
}

/// Who an agent is: its id and key, and the token that it holds at the moment. It renews the token by itself, and
/// with durations only, so that a wrong clock does not matter.
#[derive(Debug)]
pub struct AgentCredential {
    agent: AgentId,
    key: AgentKey,
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    token: Arc<str>,
    installation: InstallationId,
    renew_at: Instant,
    expires_at: Instant,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl AgentCredential {
    /// The credential of an agent that has joined with this key. Asks nobody yet.
    #[must_use]
    pub fn new(agent: AgentId, key: AgentKey) -> Self {
        Self { agent, key, held: Mutex::new(None) }
    }

    /// Joins with a one-use token. Keep the key before: when the answer is lost, the same call, or [`new`](Self::new)
    /// with that key, goes on from there.
    ///
    /// # Errors
    /// [`ClientError`] when the server is not reached or refuses the token.
    pub async fn join(
        client: &Client,
        token: &str,
        agent: AgentId,
        key: AgentKey,
        machine: &str,
    ) -> Result<Self, ClientError> {
        let call = JoinCall {
            token: token.to_owned(),
            public_key: key.public_key(),
            machine: machine.to_owned(),
            signature: key.sign(&join_message(token, &agent)),
            agent_id: agent.clone(),
        };
        let asked = Instant::now();
        let reply = client.post::<CredentialReply>(&["agents", "join"], &call).await?;
        Ok(Self { agent, key, held: Mutex::new(Some(Held::new(reply, asked))) })
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &AgentKey {
        &self.key
    }

    /// The installation that the agent belongs to; asks the server if it is not known yet.
    ///
    /// # Errors
    /// [`ClientError`] when the server is not reached or does not know the key.
    pub async fn installation(&self, client: &Client) -> Result<InstallationId, ClientError> {
        Ok(self.current(client, None).await?.installation)
    }

    /// A token that is good now. One that was just refused is not used again.
    pub(super) async fn token(&self, client: &Client, refused: Option<&str>) -> Result<Arc<str>, ClientError> {
        Ok(self.current(client, refused).await?.token)
    }

    async fn current(&self, client: &Client, refused: Option<&str>) -> Result<Held, ClientError> {
        // Held over the renewal, so that of many calls one renews and the others wait for it.
        let mut held = self.held.lock().await;
        let usable = held.clone().filter(|held| Some(&*held.token) != refused && Instant::now() < held.expires_at);
        if let Some(fresh) = usable.as_ref().filter(|held| Instant::now() < held.renew_at) {
            return Ok(fresh.clone());
        }
        match (self.renew(client).await, usable) {
            (Ok(renewed), _) => {
                *held = Some(renewed.clone());
                Ok(renewed)
            }
            // The one at hand is still good for a while.
            (Err(error), Some(usable)) if error.is_unreachable() => Ok(usable),
            (Err(error), _) => Err(error),
        }
    }

    async fn renew(&self, client: &Client) -> Result<Held, ClientError> {
        let agent = self.agent.as_str();
        let challenge = client.call(Method::POST, &["agents", agent, "challenge"]);
        let challenge = client.read::<Challenge>(challenge).await?.challenge;
        let call = CredentialCall {
            signature: Some(self.key.sign(&renewal_message(&challenge, &self.agent))),
            challenge: Some(challenge),
        };
        let asked = Instant::now();
        let reply = client.post::<CredentialReply>(&["agents", agent, "credential"], &call).await?;
        Ok(Held::new(reply, asked))
    }
}

impl Held {
    fn new(reply: CredentialReply, asked: Instant) -> Self {
        let life = reply.expires_in_seconds.0;
        Self {
            token: reply.token.into(),
            installation: reply.installation,
            renew_at: asked + (life - life / RENEW_WITH_LEFT),
            expires_at: asked + life,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text() {
        let key = AgentKey::generate().unwrap();
        let read = AgentKey::from_text(&key.to_text()).unwrap();
        assert_eq!(read.public_key(), key.public_key());
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        assert_eq!(AgentKey::from_text("abc").unwrap_err(), InvalidKey);
    }

    #[test]
    fn a_private_key_does_not_show_in_debug_output() {
        let key = AgentKey::generate().unwrap();
        assert!(!format!("{key:?}").contains(&key.to_text()));
    }
}
