//! A server on a memory store with a clock of its own, and clients of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graphium_core::clock::{Clock, ManualClock};
use graphium_core::control::Control;
use graphium_core::id::AgentId;
use graphium_core::store::{MemoryStore, StoreSettings, TaskStore};
use graphium_http::client::{AgentCredential, AgentKey, Client, HttpAgent};
use graphium_http::server::{ADMIN_TOKEN_FILE, Installation, ServerConfig, ServerHandle, router, serve};
use graphium_http::wire::{CreateToken, JoinCall, TokenRole, join_message};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A store, a clock and a data folder: what outlives a server.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn TaskStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>, StoreSettings::default()));
        Self { store, clock, folder: TempDir::new().unwrap() }
    }

    pub(crate) fn config(&self) -> ServerConfig {
        let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), self.folder.path());
        config.clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        config
    }

    pub(crate) fn control(&self) -> Control {
        Control::new(Arc::clone(&self.store), Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    /// A server on a free port.
    pub(crate) async fn server(&self) -> Server {
        self.server_at(self.config()).await
    }

    pub(crate) async fn server_at(&self, config: ServerConfig) -> Server {
        let shutdown = CancellationToken::new();
        let handle = serve(config, self.control(), shutdown.clone()).await.unwrap();
        Server { handle, shutdown }
    }

    /// The surface without a socket.
    pub(crate) async fn service(&self) -> Service {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let installation = Installation::open(&self.store, self.folder.path(), clock.as_ref()).await.unwrap();
        Service(router(self.control(), clock, installation, CancellationToken::new()))
    }

    pub(crate) fn admin_token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(ADMIN_TOKEN_FILE)).unwrap().trim().to_owned()
    }
}

/// A server that listens.
pub(crate) struct Server {
    pub(crate) handle: ServerHandle,
    pub(crate) shutdown: CancellationToken,
}

impl Server {
    pub(crate) fn client(&self, token: &str) -> Client {
        Client::builder(self.handle.url()).token(token).build().unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.handle.stopped().await.unwrap();
    }
}

/// The surface as a service.
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Router);

impl Service {
    /// A call with a JSON body; the status and the answer as JSON, null when it has none.
    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.raw(request.body(body).unwrap()).await
    }

    /// The bare token of an agent that has just joined.
    pub(crate) async fn agent_token(&self, admin: &str, name: &str) -> String {
        let (_, join) = self.call("POST", "/api/v1/tokens", admin, json!({ "name": name, "role": "join" })).await;
        let secret = join["token"].as_str().unwrap();
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
        let call = JoinCall {
            token: secret.to_owned(),
            agent_id: agent_id(name),
            public_key: URL_SAFE_NO_PAD.encode(pair.public_key()),
            machine: "machine-1".into(),
            signature: URL_SAFE_NO_PAD.encode(pair.sign(&join_message(secret, &agent_id(name)))),
        };
        let (_, reply) = self.call("POST", "/api/v1/agents/join", "", serde_json::to_value(call).unwrap()).await;
        reply["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn raw(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

pub(crate) fn agent_id(name: &str) -> AgentId {
    AgentId::new(name).unwrap()
}

pub(crate) async fn token(admin: &Client, role: TokenRole) -> String {
    let call = CreateToken { name: role.as_str().into(), role, ttl_seconds: None, agent_id: None };
    admin.create_token(&call).await.unwrap().token
}

/// An agent that has joined.
pub(crate) async fn join(admin: &Client, name: &str) -> HttpAgent {
    let join = token(admin, TokenRole::Join).await;
    let key = AgentKey::generate().unwrap();
    let credential = AgentCredential::join(admin, &join, agent_id(name), key, "machine-1").await.unwrap();
    HttpAgent::new(admin.clone(), credential)
}

/// A deadline for what must happen soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it did not happen in time")
}
