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
    }
}
