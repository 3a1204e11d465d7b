//! Calls about tokens, and whether the server is there.

use graphium_core::store::{Page, PageRequest};

use super::builder::Client;
use super::error::ClientError;
use super::tasks::page_query;
use crate::wire::{CreateToken, CreatedToken, Readiness, TokenView};

/// Each fails with a [`ClientError`] when the server is not reached or refuses.
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Makes a token. The answer is the only place where its secret is shown.
    pub async fn create_token(&self, token: &CreateToken) -> Result<CreatedToken, ClientError> {
        self.post(&["tokens"], token).await
    }

    /// A page of the tokens that are good.
    pub async fn tokens(&self, page: PageRequest) -> Result<Page<TokenView>, ClientError> {
        self.get(&["tokens"], &page_query(page)).await
    }

    /// Makes a token void.
    pub async fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["tokens", id]).await
    }

    /// Whether the server takes work.
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        self.get(&["readyz"], &()).await
    }
}
