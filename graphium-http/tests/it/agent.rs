//! The agent's side over HTTP.

use std::time::Duration;

use graphium_core::id::{ClaimId, SessionId};
use graphium_core::store::{
    AgentStore, ClaimRequest, InventoryReport, Report, ReportAnswer, ReportedStatus, StoreErrorKind,
};
use graphium_core::task::{Outcome, TaskStatus, TaskType};
use graphium_http::client::{AgentCredential, AgentKey, HttpAgent};
use graphium_http::server::limits::CREDENTIAL_TTL;
use graphium_http::wire::{CreateToken, SubmitTask, TokenRole};

use crate::harness::{Ground, agent_id, join, soon, token};

#[tokio::test]
async fn a_task_goes_from_a_user_to_its_agent_and_back() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;
    let session = SessionId::generate();

    let waiting = {
        let agent = agent.clone();
        async move {
            let request = ClaimRequest::hello(session, "machine-1").asking(4, Duration::from_secs(20));
            agent.claim(&agent_id("vm1"), request).await
        }
    };
    let submit = async {
        let mut task = SubmitTask::new(agent_id("vm1"), TaskType::Custom("echo".into()));
        task.payload = serde_json::json!({ "say": "hello" });
        admin.submit(&task).await.unwrap()
    };
    let (answer, submitted) = soon(futures::future::join(waiting, submit)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.claims.len(), 1);
    let claimed = &answer.claims[0];
    assert_eq!((claimed.task.id(), claimed.task.spec.payload["say"].as_str()), (submitted.id, Some("hello")));

    let mut request = ClaimRequest::hello(session, "machine-1");
    request.reports.push(Report {
        task: submitted.id,
        attempt: claimed.attempt(),
        status: ReportedStatus::Completed(Outcome::default()),
    });
    let answer = agent.claim(&agent_id("vm1"), request).await.unwrap();
    assert_eq!(answer.receipts[0].answer, ReportAnswer::Accepted);
    assert_eq!(admin.task(submitted.id).await.unwrap().status, TaskStatus::Completed);
    server.stop().await;
}

#[tokio::test]
async fn a_claim_repeated_with_its_id_is_answered_with_the_same_tasks() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;
    let task = admin.submit(&SubmitTask::new(agent_id("vm1"), TaskType::Custom("x".into()))).await.unwrap();

    let mut request = ClaimRequest::hello(SessionId::generate(), "machine-1").asking(1, Duration::ZERO);
    request.claim_id = ClaimId::generate();
    let first = agent.claim(&agent_id("vm1"), request.clone()).await.unwrap();
    let second = agent.claim(&agent_id("vm1"), request).await.unwrap();

    assert_eq!(first.claims[0].task.id(), task.id);
    assert_eq!(first.claims, second.claims);
}

#[tokio::test]
async fn an_agent_goes_on_after_its_credential_expired() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;

    // The server's clock jumps; the agent's does not know.
    ground.clock.advance(CREDENTIAL_TTL * 3);

    let hello = ClaimRequest::hello(SessionId::generate(), "machine-1");
    agent.claim(&agent_id("vm1"), hello).await.unwrap();
    let inventory = InventoryReport {
        session: SessionId::generate(),
        machine: "machine-2".into(),
        seq: 1,
        attempts_ended: 0,
        engine: None,
        instances: Vec::new(),
    };
    let error = agent.inventory(&agent_id("vm1"), inventory).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::AgentInUse);
}

#[tokio::test]
async fn a_restarted_agent_needs_only_its_key() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let first = join(&admin, "vm1").await;
    let kept = first.credential().key().to_text();

    let key = AgentKey::from_text(&kept).unwrap();
    let anonymous = graphium_http::client::Client::builder(server.handle.url()).build().unwrap();
    let again = HttpAgent::new(anonymous, AgentCredential::new(agent_id("vm1"), key));

    assert_eq!(again.installation().await.unwrap(), server.handle.installation().id());
    again.claim(&agent_id("vm1"), ClaimRequest::hello(SessionId::generate(), "machine-1")).await.unwrap();
}

#[tokio::test]
async fn a_revoked_agent_is_refused_at_its_next_call() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;
    let hello = ClaimRequest::hello(SessionId::generate(), "machine-1");
    agent.claim(&agent_id("vm1"), hello.clone()).await.unwrap();

    admin.revoke_agent(&agent_id("vm1")).await.unwrap();

    let error = agent.claim(&agent_id("vm1"), hello).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_waiting_call_of_a_revoked_agent_ends_without_the_next_task() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let (agent, vm1) = (join(&admin, "vm1").await, agent_id("vm1"));
    let request = ClaimRequest::hello(SessionId::generate(), "machine-1").asking(1, Duration::from_secs(30));
    let waiting = agent.claim(&vm1, request);
    let revoking = async {
        // Its session shows that the call has arrived.
        while admin.hosts(Default::default()).await.unwrap().items.is_empty() {
            tokio::task::yield_now().await;
        }
        admin.revoke_agent(&vm1).await.unwrap();
        admin.submit(&SubmitTask::new(vm1.clone(), TaskType::Custom("x".into()))).await.unwrap()
    };
    let (answer, task) = soon(futures::future::join(waiting, revoking)).await;
    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Unauthorized);
    assert_eq!(admin.task(task.id).await.unwrap().status, TaskStatus::Pending);
}

#[tokio::test]
async fn a_join_token_is_good_once() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let secret = token(&admin, TokenRole::Join).await;
    let key = AgentKey::generate().unwrap();
    let join = |name: &str, key: AgentKey| {
        let (admin, secret, name) = (admin.clone(), secret.clone(), agent_id(name));
        async move { AgentCredential::join(&admin, &secret, name, key, "machine-1").await }
    };

    join("vm1", key.clone()).await.unwrap();
    // The answer may have been lost: the same agent with the same key asks again.
    join("vm1", key.clone()).await.unwrap();

    let another_key = join("vm1", AgentKey::generate().unwrap()).await.unwrap_err();
    assert_eq!(another_key.kind(), StoreErrorKind::Unauthorized);
    let another_agent = join("vm2", key).await.unwrap_err();
    assert_eq!(another_agent.kind(), StoreErrorKind::Unauthorized);
    assert!(
        admin
            .tokens(Default::default())
            .await
            .unwrap()
            .items
            .iter()
            .any(|token| token.used_by == Some(agent_id("vm1")))
    );
}

#[tokio::test]
async fn an_agent_id_in_use_is_not_given_to_another_key_without_a_bound_token() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let first = join(&admin, "vm1").await;

    let unbound = token(&admin, TokenRole::Join).await;
    let key = AgentKey::generate().unwrap();
    let error = AgentCredential::join(&admin, &unbound, agent_id("vm1"), key.clone(), "m").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::AgentInUse);

    let call = CreateToken {
        name: "new disk".into(),
        role: TokenRole::Join,
        ttl_seconds: None,
        agent_id: Some(agent_id("vm1")),
    };
    let bound = admin.create_token(&call).await.unwrap().token;
    AgentCredential::join(&admin, &bound, agent_id("vm1"), key, "m").await.unwrap();

    let hello = ClaimRequest::hello(SessionId::generate(), "machine-1");
    let error = first.claim(&agent_id("vm1"), hello).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unauthorized, "the key that was replaced opens nothing");
}

#[tokio::test]
async fn a_join_token_expires() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let secret = token(&admin, TokenRole::Join).await;

    ground.clock.advance(Duration::from_secs(3601));

    let key = AgentKey::generate().unwrap();
    let error = AgentCredential::join(&admin, &secret, agent_id("vm1"), key, "m").await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_outage_and_not_an_end() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;
    server.stop().await;
    let hello = ClaimRequest::hello(SessionId::generate(), "machine-1");
    let error = agent.claim(&agent_id("vm1"), hello).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.is_retryable());
}
