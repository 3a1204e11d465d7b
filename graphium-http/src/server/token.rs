//! Signed tokens: who somebody is, until when, and under which record that can be revoked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use graphium_core::clock::Timestamp;
use graphium_core::id::{AgentId, InstallationId};
use graphium_core::store::{RecordKey, RecordKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::limits::MAX_TOKEN_TTL;
use crate::wire::{TokenRole, TokenView};

/// What a signed token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: InstallationId,
    pub(crate) aud: Purpose,
    /// The user's name or the agent's id.
    pub(crate) sub: String,
    /// The id of the record without which the token is void.
    pub(crate) jti: String,
    iat: i64,
    exp: i64,
}

/// What a signed token may be used for. A token of one purpose is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A user's calls.
    User,
    /// An agent's calls.
    Agent,
    /// To be signed by an agent that has no valid credential.
    Challenge,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::User, Self::Agent, Self::Challenge];

    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Challenge => "challenge",
        }
    }
}

/// A token that is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("the token is not one of this installation")]
    Foreign,
    #[error("the token has expired")]
    Expired,
}

/// Signs and checks the tokens of an installation.
#[derive(Clone)]
pub(crate) struct Signer(Arc<Keys>);

struct Keys {
    installation: InstallationId,
    encoding: EncodingKey,
    decoding: DecodingKey,
    rules: Validation,
    /// What tokens say whose signature was found good: most calls bear one that was seen before.
    seen: Mutex<HashMap<Box<str>, Arc<Claims>>>,
}

/// The most tokens whose signature is not checked again: more than there are agents of one server.
const MAX_SEEN: usize = 32 * 1024;

impl Keys {
    fn seen(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Claims>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer {
    pub(crate) fn new(installation: InstallationId, key: &[u8]) -> Self {
        let (encoding, decoding) = (EncodingKey::from_secret(key), DecodingKey::from_secret(key));
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[installation]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        rules.set_audience(&Purpose::ALL.map(Purpose::as_str));
        // The library would read the machine's clock; ours is injected.
        rules.validate_exp = false;
        Self(Arc::new(Keys { installation, encoding, decoding, rules, seen: Mutex::default() }))
    }

    pub(crate) fn installation(&self) -> InstallationId {
        self.0.installation
    }

    /// A token for `sub` under the record `jti`.
    pub(crate) fn sign(
        &self,
        aud: Purpose,
        sub: &str,
        jti: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            iss: self.0.installation,
            aud,
            sub: sub.to_owned(),
            jti: jti.to_owned(),
            iat: seconds(now),
            exp: seconds(now.after(ttl)),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.0.encoding)
    }

    /// What a token says, if it is one of ours for one of these purposes and has not expired by our clock.
    pub(crate) fn check(&self, token: &str, purposes: &[Purpose], now: Timestamp) -> Result<Arc<Claims>, BadToken> {
        let claims = self.claims(token)?;
        if !purposes.contains(&claims.aud) {
            return Err(BadToken::Foreign);
        }
        if claims.exp <= seconds(now) {
            return Err(BadToken::Expired);
        }
        Ok(claims)
    }

    /// What a token says that we have signed, whenever that was and for whatever purpose.
    fn claims(&self, token: &str) -> Result<Arc<Claims>, BadToken> {
        let keys = &self.0;
        if let Some(claims) = keys.seen().get(token) {
            return Ok(Arc::clone(claims));
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &keys.decoding, &keys.rules);
        let claims = Arc::new(decoded.map_err(|_| BadToken::Foreign)?.claims);
        // A challenge comes back once.
        if claims.aud != Purpose::Challenge {
            let mut seen = keys.seen();
            if seen.len() >= MAX_SEEN {
                seen.clear();
            }
            seen.insert(token.into(), Arc::clone(&claims));
        }
        Ok(claims)
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

/// A token as the store keeps it: without anything that lets it be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenRecord {
    #[serde(flatten)]
    pub(crate) view: TokenView,
    /// The SHA-256 of a join token. A user's token is signed, so nothing of it needs to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_hash: Option<String>,
    /// The key that a join token was used with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used_key: Option<String>,
}

/// The record of a token.
pub(crate) fn token_key(id: &str) -> RecordKey {
    RecordKey::new(RecordKind::Token, id)
}

/// The record of an agent's credential.
pub(crate) fn credential_key(agent: &AgentId) -> RecordKey {
    RecordKey::new(RecordKind::Credential, agent.as_str())
}

/// A credential as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialRecord {
    /// Random at each join: tokens of an earlier one are void.
    pub(crate) id: String,
    /// The agent's Ed25519 public key, in base64url.
    pub(crate) public_key: String,
    /// The machine that it joined from.
    pub(crate) machine: String,
    /// When it joined.
    pub(crate) joined_at: Timestamp,
}

/// A new id of a record.
pub(crate) fn fresh_id() -> String {
    Uuid::new_v4().simple().to_string()
}

pub(super) struct FirstAdmin {
    pub(super) secret: String,
    pub(super) record_key: RecordKey,
    pub(super) record: Value,
}

/// The token that the first start leaves for its operator.
pub(super) fn first_admin(
    signer: &Signer,
    now: Timestamp,
) -> Result<FirstAdmin, Box<dyn std::error::Error + Send + Sync>> {
    let view = TokenView {
        id: fresh_id(),
        name: "admin".into(),
        role: TokenRole::Admin,
        agent_id: None,
        created_at: now,
        created_by: "server".into(),
        expires_at: now.after(MAX_TOKEN_TTL),
        used_by: None,
        unreadable: None,
    };
    let secret = signer.sign(Purpose::User, &view.name, &view.id, now, MAX_TOKEN_TTL)?;
    let record_key = token_key(&view.id);
    let record = serde_json::to_value(TokenRecord { view, secret_hash: None, used_key: None })?;
    Ok(FirstAdmin { secret, record_key, record })
}
