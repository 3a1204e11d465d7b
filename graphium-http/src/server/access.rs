//! Tokens and credentials: made, checked, renewed and revoked, with the store as the only truth.
//!
//! Every call is checked against the record of its token, so that revoking works at once on every server.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graphium_core::clock::Clock;
use graphium_core::id::{AgentId, InstallationId};
use graphium_core::store::{
    Expected, MAX_PAGE, PageRequest, Record, RecordKey, RecordKind, RecordWrite, StoreErrorKind, Submission, TaskStore,
};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::caller::{Caller, Rank};
use super::keys::Installation;
use super::limits::{CHALLENGE_TTL, CREDENTIAL_TTL, MAX_TOKENS};
use super::problem::ApiError;
use super::token::{CredentialRecord, Purpose, TokenRecord, credential_key, fresh_id, token_key};
use crate::wire::{
    Challenge, CredentialCall, CredentialReply, InvalidBody, MAX_MACHINE_LENGTH, ProblemCode, TokenRole, TokenView,
    renewal_message,
};

/// The gate of the server.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) installation: Installation,
}

impl Access {
    pub(crate) fn installation(&self) -> InstallationId {
        self.installation.id()
    }

    /// Who bears this token, if it is good now.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Caller, ApiError> {
        let signer = self.installation.signer();
        let checked = signer.check(token, &[Purpose::User, Purpose::Agent], self.clock.now());
        let claims = checked.map_err(|error| ApiError::unauthorized(error.to_string()))?;
        let revoked = || ApiError::unauthorized("the token was revoked");
        match claims.aud {
            Purpose::User => {
                let record = self.read::<TokenRecord>(&token_key(&claims.jti)).await?.ok_or_else(revoked)?.1;
                let rank = rank(record.view.role).ok_or_else(revoked)?;
                Ok(Caller::Person { name: record.view.name, rank })
            }
            Purpose::Agent => {
                let agent = AgentId::new(claims.sub.as_str()).map_err(|_| revoked())?;
                let record = self.read::<CredentialRecord>(&credential_key(&agent)).await?.ok_or_else(revoked)?.1;
                if record.id != claims.jti {
                    return Err(revoked());
                }
                Ok(Caller::Agent(agent))
            }
            Purpose::Challenge => Err(ApiError::unauthorized("a challenge is no token")),
        }
    }

    /// A text for an agent to sign.
    pub(crate) fn challenge(&self, agent: &AgentId) -> Result<Challenge, ApiError> {
        let signer = self.installation.signer();
        let signed = signer.sign(Purpose::Challenge, agent.as_str(), &fresh_id(), self.clock.now(), CHALLENGE_TTL);
        let challenge = signed.map_err(ApiError::internal)?;
        Ok(Challenge { challenge, expires_in_seconds: CHALLENGE_TTL.into() })
    }

    /// A fresh credential for an agent: with a valid one, or with a signed challenge.
    pub(crate) async fn renew(
        &self,
        agent: &AgentId,
        caller: Option<Caller>,
        call: &CredentialCall,
    ) -> Result<CredentialReply, ApiError> {
        let record = self.read::<CredentialRecord>(&credential_key(agent)).await?;
        let unknown = || ApiError::unauthorized(format!("agent {agent} has no credential here: it must join"));
        match (&call.challenge, &call.signature) {
            (Some(challenge), Some(signature)) => {
                let signer = self.installation.signer();
                let checked = signer.check(challenge, &[Purpose::Challenge], self.clock.now());
                let claims = checked.map_err(|error| ApiError::unauthorized(format!("challenge: {error}")))?;
                let key = &record.as_ref().ok_or_else(unknown)?.1.public_key;
                let signed = verify(key, &renewal_message(challenge, agent), signature);
                if claims.sub != agent.as_str() || !signed {
                    return Err(ApiError::unauthorized(format!(
                        "the challenge is not signed by the key of agent {agent}"
                    )));
                }
            }
            (None, None) => caller.ok_or_else(unknown)?.require_agent(agent)?,
            _ => return Err(InvalidBody::new("signature", "challenge and signature come together").into()),
        }
        let (_, record) = record.ok_or_else(unknown)?;
        self.credential(agent, &record.id)
    }

    pub(super) fn credential(&self, agent: &AgentId, id: &str) -> Result<CredentialReply, ApiError> {
        let signer = self.installation.signer();
        let signed = signer.sign(Purpose::Agent, agent.as_str(), id, self.clock.now(), CREDENTIAL_TTL);
        Ok(CredentialReply {
            agent_id: agent.clone(),
            installation: signer.installation(),
            token: signed.map_err(ApiError::internal)?,
            expires_in_seconds: CREDENTIAL_TTL.into(),
        })
    }

    /// Makes every token of an agent void.
    pub(crate) async fn revoke_agent(&self, agent: &AgentId, by: &str) -> Result<(), ApiError> {
        let erased = self.erase(credential_key(agent)).await?;
        let erased = erased.ok_or_else(|| ApiError::not_found(format!("agent {agent} has no credential")))?;
        self.write(by, vec![erased]).await
    }

    /// Makes a token void.
    pub(crate) async fn revoke_token(&self, id: &str, by: &str) -> Result<(), ApiError> {
        let erased = self.erase(token_key(id)).await?;
        let erased = erased.ok_or_else(|| ApiError::not_found(format!("there is no token {id}")))?;
        self.write(by, vec![erased]).await
    }

    /// The delete of a record, whether or not what it holds can be read back; none when there is no such record.
    async fn erase(&self, key: RecordKey) -> Result<Option<RecordWrite>, ApiError> {
        let expected = match self.store.record(&key).await {
            Ok(None) => return Ok(None),
            Ok(Some(record)) => Expected::Version(record.version),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => Expected::Anything,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(RecordWrite { key, expected, body: None }))
    }

    /// The tokens that were made and not revoked. One that cannot be read back stands among them and says why.
    pub(crate) async fn tokens(&self, page: PageRequest) -> Result<graphium_core::store::Page<TokenView>, ApiError> {
        let records = self.store.records(RecordKind::Token, "", page).await?;
        Ok(records.map(|record| match decode::<TokenRecord>(&record) {
            Ok(token) => token.view,
            Err(why) => TokenView::unreadable(record.key.name, record.updated_at, why),
        }))
    }

    /// The deletes of expired tokens, which go with the next one that is made; refuses when too many are good. One that
    /// cannot be read back may be good to the program that wrote it, so it stays.
    pub(super) async fn room_for_a_token(&self) -> Result<Vec<RecordWrite>, ApiError> {
        let page = PageRequest { limit: MAX_PAGE, after: None };
        let records = self.store.records(RecordKind::Token, "", page).await?.items;
        let (total, now) = (records.len(), self.clock.now());
        let mut expired = Vec::new();
        for record in records {
            if decode::<TokenRecord>(&record).is_ok_and(|token| token.view.expires_at <= now) {
                let expected = Expected::Version(record.version);
                expired.push(RecordWrite { key: record.key, expected, body: None });
            }
        }
        if total - expired.len() >= MAX_TOKENS {
            let detail = format!("there are {MAX_TOKENS} tokens: revoke some that nobody needs first");
            return Err(ApiError::new(ProblemCode::Conflict, detail));
        }
        Ok(expired)
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, key: &RecordKey) -> Result<Option<(u64, T)>, ApiError> {
        let record = self.store.record(key).await?;
        let Some(record) = record else { return Ok(None) };
        let body = decode(&record).map_err(|why| ApiError::internal(format!("{}: {why}", record.key)))?;
        Ok(Some((record.version, body)))
    }

    pub(super) async fn write(&self, actor: &str, records: Vec<RecordWrite>) -> Result<(), ApiError> {
        self.store.submit(Submission { records, actor: actor.to_owned(), ..Submission::default() }).await?;
        Ok(())
    }
}

fn rank(role: TokenRole) -> Option<Rank> {
    match role {
        TokenRole::Admin => Some(Rank::Admin),
        TokenRole::User => Some(Rank::User),
        TokenRole::Viewer => Some(Rank::Viewer),
        TokenRole::Join => None,
    }
}

/// What a record holds, or why that cannot be read back.
fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, String> {
    match &record.unreadable {
        Some(why) => Err(why.clone()),
        None => T::deserialize(&record.body).map_err(|error| error.to_string()),
    }
}

/// The write of a record.
pub(super) fn put<T: Serialize>(key: RecordKey, expected: Expected, body: &T) -> Result<RecordWrite, ApiError> {
    let body = serde_json::to_value(body).map_err(ApiError::internal)?;
    Ok(RecordWrite { key, expected, body: Some(body) })
}

/// Whether the message was signed by the private half of this key.
pub(super) fn verify(public_key: &str, message: &[u8], signature: &str) -> bool {
    let (key, signature) = (URL_SAFE_NO_PAD.decode(public_key), URL_SAFE_NO_PAD.decode(signature));
    match (key, signature) {
        (Ok(key), Ok(signature)) => UnparsedPublicKey::new(&ED25519, key).verify(message, &signature).is_ok(),
        _ => false,
    }
}

pub(super) fn check_machine(machine: &str) -> Result<(), InvalidBody> {
    if machine.is_empty() || machine.len() > MAX_MACHINE_LENGTH || machine.chars().any(char::is_control) {
        let rule = format!("a machine has a name of 1 to {MAX_MACHINE_LENGTH} bytes without control characters");
        return Err(InvalidBody::new("machine", rule));
    }
    Ok(())
}
