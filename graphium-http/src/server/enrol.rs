//! Making tokens, and joining with one: how a stranger becomes an agent.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graphium_core::id::AgentId;
use graphium_core::store::Expected;
use sha2::{Digest, Sha256};

use super::access::{Access, check_machine, put, verify};
use super::limits::{DEFAULT_JOIN_TTL, DEFAULT_TOKEN_TTL, MAX_JOIN_TTL, MAX_TOKEN_NAME, MAX_TOKEN_TTL};
use super::problem::ApiError;
use super::token::{CredentialRecord, Purpose, TokenRecord, credential_key, fresh_id, token_key};
use crate::wire::{
    CreateToken, CreatedToken, CredentialReply, InvalidBody, JoinCall, ProblemCode, TokenRole, TokenView, join_message,
};

/// What a join token begins with, so that a person and a secret scanner know it.
const JOIN_PREFIX: &str = "graphium-join-";
/// How often a join is tried when another call wrote its records in between.
const JOIN_TRIES: usize = 3;

/// The id of a join token: the half of its hash that lists may show.
fn join_id(hash: &str) -> &str {
    hash.get(..32).unwrap_or(hash)
}

fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_token(call: &CreateToken) -> Result<std::time::Duration, InvalidBody> {
    if call.name.is_empty() || call.name.len() > MAX_TOKEN_NAME || call.name.chars().any(char::is_control) {
        let rule = format!("a token has a name of 1 to {MAX_TOKEN_NAME} bytes without control characters");
        return Err(InvalidBody::new("name", rule));
    }
    if call.name == "server" || call.name.starts_with("agent:") {
        return Err(InvalidBody::new("name", "`server` and `agent:…` stand for the machines in the event log"));
    }
    let (default, most) = match call.role {
        TokenRole::Join => (DEFAULT_JOIN_TTL, MAX_JOIN_TTL),
        TokenRole::Admin | TokenRole::User | TokenRole::Viewer => (DEFAULT_TOKEN_TTL, MAX_TOKEN_TTL),
    };
    if call.agent_id.is_some() && call.role != TokenRole::Join {
        return Err(InvalidBody::new("agentId", "only a join token is for an agent"));
    }
    let ttl = call.ttl_seconds.map_or(default, |seconds| seconds.0);
    if ttl.as_secs() == 0 || ttl > most {
        return Err(InvalidBody::new("ttlSeconds", format!("it is 1 to {} seconds for this role", most.as_secs())));
    }
    Ok(ttl)
}

impl Access {
    /// Makes a token. Its secret is in the answer and nowhere else.
    pub(crate) async fn create_token(&self, call: CreateToken, by: &str) -> Result<CreatedToken, ApiError> {
        let ttl = check_token(&call)?;
        let now = self.clock.now();
        let (id, secret, secret_hash) = match call.role {
            TokenRole::Join => {
                let secret = format!("{JOIN_PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
                let hash = hash(&secret);
                (join_id(&hash).to_owned(), secret, Some(hash))
            }
            TokenRole::Admin | TokenRole::User | TokenRole::Viewer => {
                let id = fresh_id();
                let signed = self.installation.signer().sign(Purpose::User, &call.name, &id, now, ttl);
                (id, signed.map_err(ApiError::internal)?, None)
            }
        };
        let view = TokenView {
            id,
            name: call.name,
            role: call.role,
            agent_id: call.agent_id,
            created_at: now,
            created_by: by.to_owned(),
            expires_at: now.after(ttl),
            used_by: None,
            unreadable: None,
        };
        let mut writes = self.room_for_a_token().await?;
        let record = TokenRecord { view: view.clone(), secret_hash, used_key: None };
        writes.push(put(token_key(&view.id), Expected::Absent, &record)?);
        self.write(by, writes).await?;
        Ok(CreatedToken { view, token: secret })
    }

    /// Lets an agent join with a one-use token. The same agent with the same key may repeat it: its answer may have
    /// been lost.
    pub(crate) async fn join(&self, call: &JoinCall) -> Result<CredentialReply, ApiError> {
        check_machine(&call.machine)?;
        if !verify(&call.public_key, &join_message(&call.token, &call.agent_id), &call.signature) {
            return Err(InvalidBody::new("signature", "it is not made with the private half of publicKey").into());
        }
        let mut tries = 1;
        loop {
            match self.try_join(call).await {
                Err(error) if error.code() == ProblemCode::Conflict && tries < JOIN_TRIES => tries += 1,
                done => return done,
            }
        }
    }

    async fn try_join(&self, call: &JoinCall) -> Result<CredentialReply, ApiError> {
        let agent = &call.agent_id;
        let (version, mut token) = self.join_token(call).await?;
        let known = self.read::<CredentialRecord>(&credential_key(agent)).await?;
        if token.view.used_by.is_some() {
            return match known {
                Some((_, record)) if record.public_key == call.public_key => self.credential(agent, &record.id),
                _ => Err(ApiError::unauthorized("the join token was used: ask for another one")),
            };
        }
        let expected = match &known {
            None => Expected::Absent,
            Some((_, record)) if token.view.agent_id.is_none() && record.public_key != call.public_key => {
                return Err(taken(agent));
            }
            Some((version, _)) => Expected::Version(*version),
        };
        let credential = CredentialRecord {
            id: fresh_id(),
            public_key: call.public_key.clone(),
            machine: call.machine.clone(),
            joined_at: self.clock.now(),
        };
        token.view.used_by = Some(agent.clone());
        token.used_key = Some(call.public_key.clone());
        let writes = vec![
            put(token_key(&token.view.id), Expected::Version(version), &token)?,
            put(credential_key(agent), expected, &credential)?,
        ];
        self.write(&format!("agent:{agent}"), writes).await?;
        tracing::info!(%agent, machine = call.machine, "an agent joined");
        self.credential(agent, &credential.id)
    }

    /// The record of the token that a join comes with, if it is good for this agent and key.
    async fn join_token(&self, call: &JoinCall) -> Result<(u64, TokenRecord), ApiError> {
        let refused = |why: &str| {
            ApiError::unauthorized(format!(
                "the join token {why}: ask for another one (graphium token create --role join)"
            ))
        };
        let hash = hash(&call.token);
        let found = self.read::<TokenRecord>(&token_key(join_id(&hash))).await?;
        let (version, token) = found.ok_or_else(|| refused("is not known"))?;
        if token.view.role != TokenRole::Join || token.secret_hash.as_deref() != Some(hash.as_str()) {
            return Err(refused("is not known"));
        }
        if token.view.expires_at <= self.clock.now() {
            return Err(refused("has expired"));
        }
        if token.view.agent_id.as_ref().is_some_and(|bound| *bound != call.agent_id) {
            return Err(refused("is for another agent"));
        }
        let used_otherwise = token.view.used_by.as_ref().is_some_and(|agent| *agent != call.agent_id)
            || token.used_key.as_ref().is_some_and(|key| *key != call.public_key);
        if used_otherwise {
            return Err(refused("was used"));
        }
        Ok((version, token))
    }
}

fn taken(agent: &AgentId) -> ApiError {
    let detail = format!(
        "agent id {agent} has joined with another key: to replace that key, make a join token that is bound to {agent}, \
         or delete the agent"
    );
    ApiError::new(ProblemCode::AgentInUse, detail)
}
