//! Who may do what.

use axum::http::StatusCode;
use graphium_core::id::{ClaimId, SessionId};
use graphium_http::wire::TokenRole;
use serde_json::{Value, json};

use crate::harness::{Ground, token};

const NO_TASK: &str = "0198a000-0000-7000-8000-000000000000";

/// Every route with the least role that may use it; `agent` for those that only the agent itself may.
fn routes() -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("GET", "/api/v1/tasks".into(), "viewer"),
        ("POST", "/api/v1/tasks".into(), "user"),
        ("GET", "/api/v1/tasks/stats".into(), "viewer"),
        ("GET", format!("/api/v1/tasks/{NO_TASK}"), "viewer"),
        ("GET", format!("/api/v1/tasks/{NO_TASK}/history"), "viewer"),
        ("POST", format!("/api/v1/tasks/{NO_TASK}/retry"), "user"),
        ("POST", format!("/api/v1/tasks/{NO_TASK}/cancel"), "user"),
        ("PUT", format!("/api/v1/tasks/{NO_TASK}/status"), "agent"),
        ("GET", "/api/v1/agents".into(), "viewer"),
        ("GET", "/api/v1/agents/vm1".into(), "viewer"),
        ("DELETE", "/api/v1/agents/nobody".into(), "admin"),
        ("GET", "/api/v1/agents/vm1/tasks".into(), "viewer"),
        ("POST", "/api/v1/agents/vm1/claims".into(), "agent"),
        ("PUT", "/api/v1/agents/vm1/inventory".into(), "agent"),
        ("GET", "/api/v1/stacks".into(), "viewer"),
        ("POST", "/api/v1/stacks/validate".into(), "viewer"),
        ("GET", "/api/v1/stacks/shop".into(), "viewer"),
        ("PUT", "/api/v1/stacks/shop".into(), "user"),
        ("POST", "/api/v1/stacks/shop/stop".into(), "user"),
        ("POST", "/api/v1/stacks/shop/start".into(), "user"),
        ("POST", "/api/v1/stacks/shop/restart".into(), "user"),
        ("DELETE", "/api/v1/stacks/shop".into(), "user"),
        ("GET", "/api/v1/stacks/shop/deployments".into(), "viewer"),
        ("GET", "/api/v1/stacks/shop/deployments/1".into(), "viewer"),
        ("GET", "/api/v1/instances".into(), "viewer"),
        ("GET", "/api/v1/store/restore".into(), "viewer"),
        ("POST", "/api/v1/store/restore/confirm".into(), "admin"),
        ("GET", "/api/v1/tokens".into(), "admin"),
        ("POST", "/api/v1/tokens".into(), "admin"),
        ("DELETE", "/api/v1/tokens/nonsense".into(), "admin"),
    ]
}

fn body_of(method: &str, path: &str) -> Value {
    match (method, path) {
        (_, path) if path.ends_with("/claims") => {
            json!({ "session": SessionId::generate(), "machine": "m", "claimId": ClaimId::generate() })
        }
        (_, path) if path.ends_with("/inventory") => {
            json!({ "session": SessionId::generate(), "machine": "m", "seq": 1, "instances": [] })
        }
        (_, path) if path.ends_with("/status") => json!({ "status": "running", "attempt": 0 }),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn each_role_reaches_its_routes_and_no_other() {
    let ground = Ground::new();
    let server = ground.server().await;
    let service = ground.service().await;
    let admin_token = ground.admin_token();
    let admin = server.client(&admin_token);
    let roles = [
        ("viewer", token(&admin, TokenRole::Viewer).await),
        ("user", token(&admin, TokenRole::User).await),
        ("admin", admin_token),
    ];
    let rank = |name: &str| ["viewer", "user", "admin"].iter().position(|role| *role == name);

    let agent = service.agent_token(&ground.admin_token(), "vm2").await;
    for (method, path, needed) in routes() {
        let body = body_of(method, &path);
        let (status, answer) = service.call(method, &path, "", body.clone()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} without a token: {answer}");
        for (role, secret) in &roles {
            let (status, answer) = service.call(method, &path, secret, body.clone()).await;
            let allowed = rank(needed).is_some_and(|needed| rank(role) >= Some(needed));
            let refused = status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !allowed, "{method} {path} as {role}: {status} {answer}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path} as {role}");
        }
        // Every route about an agent is about vm1 or nobody: the token of vm2 is good for none of them.
        let (status, answer) = service.call(method, &path, &agent, body.clone()).await;
        let refused = if path.ends_with("/status") { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
        assert_eq!(status, refused, "{method} {path} as another agent: {answer}");
    }
}

#[test]
fn every_route_that_is_described_stands_in_the_table_of_roles() {
    let open =
        ["/healthz", "/readyz", "/agents/join", "/agents/{id}/challenge", "/agents/{id}/credential", "/events", "/ws"];
    let document: Value = serde_json::from_str(&graphium_http::server::openapi_json()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        if open.iter().any(|open| path.strip_prefix("/api/v1").unwrap_or(path) == *open) {
            continue;
        }
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let described: Vec<&str> = path.split('/').collect();
            let known = routes().iter().any(|(known, path, _)| {
                let path: Vec<&str> = path.split('/').collect();
                let same = |(described, is): (&&str, &&str)| described.starts_with('{') || described == is;
                *known == method && path.len() == described.len() && described.iter().zip(&path).all(same)
            });
            assert!(known, "{method} {path} has no line");
        }
    }
}

#[tokio::test]
async fn the_task_of_another_agent_is_none_of_an_agents_business() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let (_, task) = service.call("POST", "/api/v1/tasks", &admin, json!({ "taskType": "x", "agentId": "vm1" })).await;
    let path = format!("/api/v1/tasks/{}/status", task["@id"].as_str().unwrap());
    let body = json!({ "status": "running", "attempt": 0 });

    let other = service.agent_token(&admin, "vm2").await;
    assert_eq!(service.call("PUT", &path, &other, body.clone()).await.0, StatusCode::FORBIDDEN);
    let own = service.agent_token(&admin, "vm1").await;
    assert_eq!(service.call("PUT", &path, &own, body).await.0, StatusCode::OK);
}

#[tokio::test]
async fn event_streams_need_a_reader() {
    let ground = Ground::new();
    let service = ground.service().await;
    let agent = service.agent_token(&ground.admin_token(), "vm1").await;
    for path in ["/api/v1/events", "/api/v1/ws"] {
        assert_eq!(service.call("GET", path, "", Value::Null).await.0, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(service.call("GET", path, &agent, Value::Null).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_challenge_is_no_token_and_a_credential_is_renewed_by_its_owner_only() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let own = service.agent_token(&admin, "vm1").await;
    let other = service.agent_token(&admin, "vm2").await;
    let path = "/api/v1/agents/vm1/credential";

    let (status, renewed) = service.call("POST", path, &own, Value::Null).await;
    assert_eq!((status, renewed["agentId"].as_str()), (StatusCode::OK, Some("vm1")));
    assert_eq!(service.call("POST", path, &other, Value::Null).await.0, StatusCode::FORBIDDEN);
    assert_eq!(service.call("POST", path, &admin, Value::Null).await.0, StatusCode::FORBIDDEN);
    assert_eq!(service.call("POST", path, "", Value::Null).await.0, StatusCode::UNAUTHORIZED);

    let (_, challenge) = service.call("POST", "/api/v1/agents/vm1/challenge", "", Value::Null).await;
    let challenge = challenge["challenge"].as_str().unwrap();
    assert_eq!(service.call("GET", "/api/v1/agents/vm1", challenge, Value::Null).await.0, StatusCode::UNAUTHORIZED);
    let unsigned = json!({ "challenge": challenge, "signature": "AAAA" });
    assert_eq!(service.call("POST", path, "", unsigned).await.0, StatusCode::UNAUTHORIZED);
}
