//! The installation: its id and the key that signs its tokens.
//!
//! The key lives in the store, so that every server of the installation accepts every agent, and is wrapped there by
//! a key that lives in a file beside the server, so that a copy of the store alone opens nothing. There is no
//! shipped secret: the first start makes both.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use graphium_core::clock::Clock;
use graphium_core::id::InstallationId;
use graphium_core::store::{
    Expected, RecordKey, RecordKind, RecordWrite, StoreError, StoreErrorKind, Submission, TaskStore,
};
use serde::{Deserialize, Serialize};

use super::owner_file;
use super::token::{self, Signer};

/// The file in the data folder that holds the wrapping key.
pub const WRAPPING_KEY_FILE: &str = "wrapping.key";
/// The file in the data folder that holds the first admin token.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why an installation could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file of the data folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The wrapping key file does not hold a key.
    #[error("{} does not hold a wrapping key (32 bytes in base64url): restore it from your backup", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The store belongs to an installation, and this is not its key.
    #[error(
        "the wrapping key in {} is not the one of installation {installation}, to which this store belongs: \
         use the data folder of its first server, or copy its {WRAPPING_KEY_FILE} here", path.display()
    )]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// The installation.
        installation: InstallationId,
    },
    /// The store holds no readable installation.
    #[error("the installation record in the store is damaged: restore the store from a backup")]
    Damaged,
    /// The store.
    #[error("the store did not give or take the installation record")]
    Store(#[from] StoreError),
}

/// An installation, opened.
#[derive(Clone)]
pub struct Installation {
    id: InstallationId,
    signer: Signer,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstallationRecord {
    id: InstallationId,
    /// Nonce and ciphertext, in base64url; the id is authenticated with it.
    wrapped_signing_key: String,
}

fn record_key() -> RecordKey {
    RecordKey::new(RecordKind::Installation, "installation")
}

impl Installation {
    /// Opens the installation that the store belongs to, or makes it at the first start.
    ///
    /// The first start writes [`WRAPPING_KEY_FILE`] and [`ADMIN_TOKEN_FILE`] into `data_dir`, for their owner only. Of two
    /// servers that start at once one makes the installation and the other opens it.
    ///
    /// # Errors
    /// [`KeyError`] with what to do: a wrapping key that others may read, the wrong one, or a store that does not
    /// answer.
    pub async fn open(store: &Arc<dyn TaskStore>, data_dir: &Path, clock: &dyn Clock) -> Result<Self, KeyError> {
        let folder = |source| KeyError::File { path: data_dir.to_owned(), source };
        std::fs::create_dir_all(data_dir).map_err(folder)?;
        let wrapping = WrappingKey::open_or_create(data_dir.join(WRAPPING_KEY_FILE))?;
        if store.record(&record_key()).await?.is_none() {
            match Self::create(store, data_dir, &wrapping, clock).await {
                // Another server was first.
                Err(KeyError::Store(error)) if error.kind() == StoreErrorKind::Conflict => {}
                made => made?,
            }
        }
        let record = store.record(&record_key()).await?.ok_or(KeyError::Damaged)?;
        let opened = Self::unwrap(record.body, &wrapping)?;
        settle_admin_token(store, data_dir).await?;
        Ok(opened)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> InstallationId {
        self.id
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    fn unwrap(body: serde_json::Value, wrapping: &WrappingKey) -> Result<Self, KeyError> {
        let record: InstallationRecord = serde_json::from_value(body).map_err(|_| KeyError::Damaged)?;
        let key = wrapping.unwrap(&record)?;
        Ok(Self { id: record.id, signer: Signer::new(record.id, &key) })
    }

    async fn create(
        store: &Arc<dyn TaskStore>,
        data_dir: &Path,
        wrapping: &WrappingKey,
        clock: &dyn Clock,
    ) -> Result<(), KeyError> {
        let (id, key) = (InstallationId::generate(), rand::random::<[u8; KEY_BYTES]>());
        let record = InstallationRecord { id, wrapped_signing_key: wrapping.wrap(id, &key)? };
        let admin = token::first_admin(&Signer::new(id, &key), clock.now()).map_err(|_| KeyError::Damaged)?;

        let draft = data_dir.join(format!("{ADMIN_TOKEN_FILE}.{}", admin.record_key.name));
        let file = |source| KeyError::File { path: draft.clone(), source };
        owner_file::write(&draft, format!("{}\n", admin.secret).as_bytes()).map_err(file)?;
        let write = |key, body| RecordWrite { key, expected: Expected::Absent, body: Some(body) };
        let body = serde_json::to_value(record).map_err(|_| KeyError::Damaged)?;
        let submission = Submission {
            records: vec![write(record_key(), body), write(admin.record_key, admin.record)],
            actor: "server".into(),
            ..Submission::default()
        };
        store.submit(submission).await?;
        tracing::info!(installation = %id, "a new installation");
        Ok(())
    }
}

/// Puts the first admin token in its place, if the start that made it could not, and removes the drafts of starts that
/// made no installation. The token was written before its record was committed, so that it is never lost.
async fn settle_admin_token(store: &Arc<dyn TaskStore>, data_dir: &Path) -> Result<(), KeyError> {
    let file = |path: &Path, source| KeyError::File { path: path.to_owned(), source };
    for entry in std::fs::read_dir(data_dir).map_err(|source| file(data_dir, source))? {
        let path = entry.map_err(|source| file(data_dir, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let Some(id) = name.strip_prefix(ADMIN_TOKEN_FILE).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let settled = if store.record(&token::token_key(id)).await?.is_some() {
            owner_file::replace(&path, &data_dir.join(ADMIN_TOKEN_FILE))
        } else {
            std::fs::remove_file(&path)
        };
        match settled {
            // Another server settled it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|source| file(&path, source))?,
        }
    }
    Ok(())
}

struct WrappingKey {
    path: PathBuf,
    cipher: XChaCha20Poly1305,
}

impl WrappingKey {
    fn open_or_create(path: PathBuf) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { path: path.clone(), source };
        let text = match owner_file::read(&path).map_err(file)? {
            Some(text) => text,
            None => {
                let text = format!("{}\n", URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>()));
                match owner_file::create(&path, text.as_bytes()) {
                    Ok(()) => text.into_bytes(),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        owner_file::read(&path).map_err(file)?.unwrap_or_default()
                    }
                    Err(error) => return Err(file(error)),
                }
            }
        };
        let key = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok().filter(|key| key.len() == KEY_BYTES);
        let Some(key) = key else { return Err(KeyError::Malformed { path }) };
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| KeyError::Malformed { path: path.clone() })?;
        Ok(Self { path, cipher })
    }

    fn wrap(&self, id: InstallationId, key: &[u8]) -> Result<String, KeyError> {
        let nonce = rand::random::<[u8; NONCE_BYTES]>();
        let uuid = id.as_uuid();
        let payload = Payload { msg: key, aad: uuid.as_bytes() };
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| KeyError::Damaged)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn unwrap(&self, record: &InstallationRecord) -> Result<Vec<u8>, KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(&record.wrapped_signing_key).map_err(|_| KeyError::Damaged)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyError::Damaged)?;
        let uuid = record.id.as_uuid();
        let payload = Payload { msg: sealed, aad: uuid.as_bytes() };
        self.cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| KeyError::WrongKey { path: self.path.clone(), installation: record.id })
    }
}
