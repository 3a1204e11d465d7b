//! A store that was restored from a backup, as clients, agents and operators meet it.

use std::sync::Arc;

use axum::http::StatusCode;
use graphium_core::clock::Clock;
use graphium_core::id::{ClaimId, SessionId};
use graphium_core::store::{SqliteStore, StoreSettings, TaskStore};
use serde_json::{Value, json};

use crate::harness::{Ground, Service};

/// The surface over a restored store, and the token of vm1, which had joined before the backup.
async fn restored() -> (Ground, Service, String) {
    let mut ground = Ground::new();
    let (file, backup) = (ground.folder.path().join("graphium.db"), ground.folder.path().join("backup.db"));
    let clock = Arc::clone(&ground.clock) as Arc<dyn Clock>;
    let store = SqliteStore::open(&file, Arc::clone(&clock), StoreSettings::default()).await.unwrap();
    let store = Arc::new(store);
    ground.store = Arc::clone(&store) as Arc<dyn TaskStore>;
    let service = ground.service().await;
    let agent = service.agent_token(&ground.admin_token(), "vm1").await;
    claim(&service, &agent).await;
    store.backup(&backup).await.unwrap();
    store.close().await;

    SqliteStore::restore(&backup, &file).await.unwrap();
    ground.store = Arc::new(SqliteStore::open(&file, clock, StoreSettings::default()).await.unwrap());
    let service = ground.service().await;
    (ground, service, agent)
}

async fn claim(service: &Service, agent: &str) -> Value {
    let call = json!({
        "session": SessionId::generate(), "machine": "machine-1", "claimId": ClaimId::generate(), "slots": 1, "waitSeconds": 0
    });
    let (status, answer) = service.call("POST", "/api/v1/agents/vm1/claims", agent, call).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

const TASK: &str = r#"{ "taskType": "x", "agentId": "vm1" }"#;

#[tokio::test]
async fn a_held_server_is_ready_and_says_what_to_do() {
    let (_ground, service, agent) = restored().await;

    let (status, ready) = service.call("GET", "/readyz", "", Value::Null).await;

    assert_eq!((status, &ready["ready"]), (StatusCode::OK, &true.into()), "agents must reach it: {ready}");
    let advice = ready["held"]["advice"].as_str().unwrap();
    assert!(advice.contains("graphium store status") && advice.contains("graphium store confirm --yes"), "{ready}");
    assert!(ready["held"]["since"].is_string() && ready["held"]["backupAt"].is_string(), "{ready}");
    claim(&service, &agent).await;
}

#[tokio::test]
async fn a_restore_is_looked_at_by_readers_and_confirmed_by_an_admin_as_often_as_they_like() {
    let (ground, service, agent) = restored().await;
    let admin = ground.admin_token();
    let task: Value = serde_json::from_str(TASK).unwrap();

    let (_, view) = service.call("GET", "/api/v1/store/restore", &admin, Value::Null).await;
    assert_eq!((&view["held"], &view["epoch"]), (&true.into(), &1.into()), "{view}");
    assert_eq!((&view["differences"][0]["kind"], &view["differences"][0]["host"]), (&"not_seen".into(), &"vm1".into()));
    assert!(view["differences"][0]["detail"].as_str().unwrap().contains("vm1"), "{view}");
    let (status, refused) = service.call("POST", "/api/v1/tasks", &admin, task.clone()).await;
    assert_eq!((status, &refused["code"]), (StatusCode::CONFLICT, &"store_held".into()));

    for _ in 0..2 {
        let (status, view) = service.call("POST", "/api/v1/store/restore/confirm", &admin, Value::Null).await;
        assert_eq!((status, &view["held"], &view["epoch"]), (StatusCode::OK, &false.into(), &1.into()), "{view}");
        assert_eq!(view["restored"], Value::Null);
    }
    let (_, ready) = service.call("GET", "/readyz", "", Value::Null).await;
    assert_eq!(ready, json!({ "ready": true }));
    assert_eq!(service.call("POST", "/api/v1/tasks", &admin, task).await.0, StatusCode::CREATED);
    assert_eq!(claim(&service, &agent).await["claims"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_was_never_restored_is_not_held_and_confirms_nothing() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());

    let view = admin.restore().await.unwrap();

    assert_eq!((view.held, view.epoch, view.restored, &view.differences[..]), (false, 0, None, &[][..]));
    assert_eq!(admin.confirm_restore().await.unwrap(), view);
    server.stop().await;
}
