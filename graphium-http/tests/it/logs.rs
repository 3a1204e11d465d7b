//! What must never stand in a log.

use std::io;
use std::sync::{Arc, Mutex};

use graphium_core::id::SessionId;
use graphium_core::store::{AgentStore, ClaimRequest};
use graphium_http::client::{AgentCredential, AgentKey, HttpAgent};
use graphium_http::wire::TokenRole;
use serde_json::Value;

use crate::harness::{Ground, agent_id, token};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_the_log_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For the whole process: what other tests say is caught too and does no harm.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let ground = Ground::new();
    let server = ground.server().await;
    let admin_token = ground.admin_token();
    let admin = server.client(&admin_token);
    let join = token(&admin, TokenRole::Join).await;
    let viewer = token(&admin, TokenRole::Viewer).await;
    let key = AgentKey::generate().unwrap();
    let credential =
        AgentCredential::join(&admin, &join, agent_id("logged-vm"), key.clone(), "machine-1").await.unwrap();
    let agent = HttpAgent::new(admin.clone(), credential);
    agent.claim(&agent_id("logged-vm"), ClaimRequest::hello(SessionId::generate(), "machine-1")).await.unwrap();
    let service = ground.service().await;
    let path = format!("/api/v1/tasks/nonsense?access_token={viewer}");
    service.call("GET", &path, &viewer, Value::Null).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("/api/v1/agents/logged-vm/claims"), "the log has caught the calls: {text}");
    for (name, secret) in [("admin", admin_token), ("join", join), ("viewer", viewer), ("key", key.to_text())] {
        assert!(!text.contains(&secret), "the {name} secret stands in the log");
    }
}
