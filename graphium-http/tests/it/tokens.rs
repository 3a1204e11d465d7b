//! Tokens of users.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use graphium_core::clock::Clock;
use graphium_core::store::{
    Expected, RecordKey, RecordKind, RecordWrite, SqliteStore, StoreErrorKind, StoreSettings, Submission, TaskStore,
};
use graphium_http::server::limits::{DEFAULT_TOKEN_TTL, MAX_TOKENS};
use graphium_http::wire::{CreateToken, Seconds, TokenRole};
use serde_json::json;

use crate::harness::{Ground, agent_id};

fn call(name: &str) -> CreateToken {
    CreateToken { name: name.into(), role: TokenRole::User, ttl_seconds: None, agent_id: None }
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_its_next_call_on_every_server() {
    let ground = Ground::new();
    let (one, other) = (ground.server().await, ground.server().await);
    let admin = one.client(&ground.admin_token());
    let created = admin.create_token(&call("ana")).await.unwrap();
    let ana = other.client(&created.token);
    ana.hosts(Default::default()).await.unwrap();

    admin.revoke_token(&created.view.id).await.unwrap();

    assert_eq!(ana.hosts(Default::default()).await.unwrap_err().kind(), StoreErrorKind::Unauthorized);
    let again = admin.revoke_token(&created.view.id).await.unwrap_err();
    assert_eq!(again.kind(), StoreErrorKind::NotFound);
}

#[tokio::test]
async fn a_token_expires_by_the_clock_of_the_server() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let created = admin.create_token(&call("ana")).await.unwrap();
    let ana = server.client(&created.token);

    ground.clock.advance(DEFAULT_TOKEN_TTL - Duration::from_secs(1));
    ana.hosts(Default::default()).await.unwrap();
    ground.clock.advance(Duration::from_secs(1));
    assert_eq!(ana.hosts(Default::default()).await.unwrap_err().kind(), StoreErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_list_of_tokens_shows_no_secret() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let body = json!({ "name": "vm1", "role": "join", "agentId": "vm1" });
    let (_, created) = service.call("POST", "/api/v1/tokens", &admin, body).await;
    let (_, list) = service.call("GET", "/api/v1/tokens", &admin, json!(null)).await;
    let text = list.to_string();
    assert!(
        text.contains("vm1") && !text.contains(created["token"].as_str().unwrap()) && !text.contains("ash"),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_that_breaks_a_rule_is_refused_with_the_field() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let too_long = Some(Seconds(Duration::from_secs(8 * 24 * 3600)));
    let cases = [
        (CreateToken { name: String::new(), ..call("x") }, "name"),
        (CreateToken { name: "x".repeat(101), ..call("x") }, "name"),
        (call("agent:vm1"), "name"),
        (call("server"), "name"),
        (CreateToken { agent_id: Some(agent_id("vm1")), ..call("x") }, "agentId"),
        (CreateToken { ttl_seconds: Some(Seconds(Duration::ZERO)), ..call("x") }, "ttlSeconds"),
        (CreateToken { role: TokenRole::Join, ttl_seconds: too_long, ..call("x") }, "ttlSeconds"),
    ];
    for (call, field) in cases {
        let error = admin.create_token(&call).await.unwrap_err();
        assert_eq!(error.problem().unwrap().errors[0].path, field, "{error}");
    }
    admin.create_token(&CreateToken { name: "x".repeat(100), ..call("x") }).await.unwrap();
}

#[tokio::test]
async fn tokens_over_the_limit_are_refused_until_some_expire() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let one = admin.create_token(&call("ana")).await.unwrap().view.id;
    let record = ground.store.record(&RecordKey::new(RecordKind::Token, one)).await.unwrap().unwrap();
    // Beside that one and the first admin's.
    let copies = (2..MAX_TOKENS).map(|number| RecordWrite {
        key: RecordKey::new(RecordKind::Token, format!("copy-{number}")),
        expected: Expected::Absent,
        body: Some(record.body.clone()),
    });
    let submission = Submission { records: copies.collect(), ..Submission::default() };
    ground.store.submit(submission).await.unwrap();
    let error = admin.create_token(&call("one too many")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);

    ground.clock.advance(DEFAULT_TOKEN_TTL);
    admin.create_token(&call("a later one")).await.unwrap();
    assert_eq!(admin.tokens(Default::default()).await.unwrap().items.len(), 2, "the expired ones are gone");
}

#[tokio::test]
async fn a_token_that_cannot_be_read_back_stands_in_the_list_hinders_no_other_and_can_be_revoked() {
    let mut ground = Ground::new();
    let file = ground.folder.path().join("graphium.db");
    let open = async || {
        let clock = Arc::clone(&ground.clock) as Arc<dyn Clock>;
        Arc::new(SqliteStore::open(&file, clock, StoreSettings::default()).await.unwrap())
    };
    let store = open().await;
    let keys = [(RecordKind::Token, "damaged"), (RecordKind::Token, "newer"), (RecordKind::Credential, "vm1")];
    let [damaged, newer, credential] = keys.map(|(kind, name)| {
        let body = if name == "newer" { json!({ "shape": "of tomorrow" }) } else { json!(["to be damaged"]) };
        RecordWrite { key: RecordKey::new(kind, name), expected: Expected::Absent, body: Some(body) }
    });
    let records = vec![damaged, newer, credential];
    store.submit(Submission { records, ..Submission::default() }).await.unwrap();
    store.close().await;
    damage(&file, br#"["to be damaged"]"#, br#"{"to be damaged"]"#);
    let store = open().await;
    ground.store = store;
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());

    let created = admin.create_token(&call("ana")).await.unwrap().view;

    let listed = admin.tokens(Default::default()).await.unwrap().items;
    let unreadable = listed.iter().filter(|token| token.unreadable.is_some()).map(|token| token.id.as_str());
    assert_eq!(unreadable.collect::<Vec<_>>(), ["damaged", "newer"], "{listed:?}");
    assert!(listed.contains(&created));
    for id in ["damaged", "newer"] {
        admin.revoke_token(id).await.unwrap();
        assert_eq!(admin.revoke_token(id).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    }
    admin.revoke_agent(&agent_id("vm1")).await.unwrap();
    let again = admin.revoke_agent(&agent_id("vm1")).await.unwrap_err();
    assert_eq!(again.kind(), StoreErrorKind::NotFound);
    server.stop().await;
}

/// Puts other bytes of the same length in the place of these, wherever they stand in the file.
fn damage(file: &Path, written: &[u8], damaged: &[u8]) {
    let mut bytes = std::fs::read(file).unwrap();
    let found: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(written)).collect();
    assert!(!found.is_empty(), "nothing to damage");
    for at in found {
        bytes[at..at + damaged.len()].copy_from_slice(damaged);
    }
    std::fs::write(file, bytes).unwrap();
}
