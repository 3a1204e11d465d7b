//! TLS, with a certificate of the test's own.

use graphium_core::id::SessionId;
use graphium_core::store::{AgentStore, ClaimRequest, EventFilter};
use graphium_http::client::Client;
use graphium_http::server::{ServerError, TlsFiles, serve};
use tokio_util::sync::CancellationToken;

use crate::harness::{Ground, agent_id, join, soon};

/// A self-signed certificate and its key in the folder, and the certificate as text.
fn certificate(ground: &Ground) -> (TlsFiles, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let files = TlsFiles { cert: ground.folder.path().join("cert.pem"), key: ground.folder.path().join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.pem())
}

#[tokio::test]
async fn an_agent_and_a_watcher_work_over_tls() {
    let ground = Ground::new();
    let (files, pem) = certificate(&ground);
    let server = ground.server_at(ground.config().with_tls(files)).await;
    assert!(server.handle.url().starts_with("https://"));
    let admin = Client::builder(server.handle.url()).token(ground.admin_token()).ca_certificate(pem).build().unwrap();

    let agent = join(&admin, "vm1").await;
    agent.claim(&agent_id("vm1"), ClaimRequest::hello(SessionId::generate(), "machine-1")).await.unwrap();
    let mut events = admin.events(EventFilter::default(), Some(graphium_core::id::Seq(0)));
    assert_eq!(soon(events.next()).await.unwrap().agent_id, Some(agent_id("vm1")));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_trusted() {
    let ground = Ground::new();
    let (files, _) = certificate(&ground);
    let server = ground.server_at(ground.config().with_tls(files)).await;
    let (_, another_pem) = certificate(&Ground::new());
    let stranger =
        Client::builder(server.handle.url()).token(ground.admin_token()).ca_certificate(another_pem).build().unwrap();
    assert!(stranger.ready().await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_certificate_that_is_missing_is_named() {
    let ground = Ground::new();
    let (mut files, _) = certificate(&ground);
    files.cert = ground.folder.path().join("nowhere.pem");
    let config = ground.config().with_tls(files);
    let error = serve(config, ground.control(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ServerError::Tls(_)));
    assert!(error.to_string().contains("nowhere.pem") && error.to_string().contains("--tls-cert"), "{error}");
}
