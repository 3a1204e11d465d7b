//! Stacks over HTTP.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use graphium_core::control::Control;
use graphium_core::id::{Generation, SessionId, StackName};
use graphium_core::stack::{DeploymentAction, StackStatus};
use graphium_core::store::{AgentStore, ClaimRequest, StoreErrorKind};
use graphium_core::task::TaskType;
use graphium_http::client::Client;
use graphium_http::server::code_of_control;
use graphium_http::wire::{ProblemCode, SubmitTask};

use crate::harness::{Ground, Service, agent_id, join};

const SHOP: &str = r#"{
  "@context": "https://schema.org",
  "@graph": [{
    "@type": "datacenter:Stack",
    "name": "shop",
    "hasPart": [{ "name": "web", "image": "web:1", "locatedInHost": "vm1" }]
  }]
}"#;

fn shop() -> StackName {
    StackName::new("shop").unwrap()
}

/// A host that was seen, so that something can be placed on it.
async fn with_host(admin: &Client) {
    let agent = join(admin, "vm1").await;
    agent.claim(&agent_id("vm1"), ClaimRequest::hello(SessionId::generate(), "machine-1")).await.unwrap();
}

#[tokio::test]
async fn a_definition_is_planned_applied_and_shown() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    with_host(&admin).await;

    assert_eq!(admin.validate_stack(SHOP).await.unwrap().stack, shop());
    let plan = admin.plan_stack(&shop(), SHOP).await.unwrap();
    assert!(!plan.is_empty());
    assert_eq!(admin.stacks(Default::default()).await.unwrap().items, [], "a plan changes nothing");

    let deployment = admin.apply_stack(&shop(), SHOP, Some(&plan.plan_hash)).await.unwrap();
    assert_eq!((deployment.generation, deployment.created_by.as_deref()), (Generation(1), Some("admin")));
    let view = admin.stack(&shop()).await.unwrap();
    assert_eq!((view.summary.status, view.rollout.generation), (StackStatus::Pending, Generation(1)));
    assert_eq!(admin.stacks(Default::default()).await.unwrap().items.len(), 1);

    let stop = admin.act_on_stack(&shop(), DeploymentAction::Stop).await.unwrap();
    assert_eq!(stop.generation, Generation(2));
    let delete = admin.delete_stack(&shop(), true).await.unwrap();
    assert_eq!(delete.action, DeploymentAction::Delete);
    let deployments = admin.deployments(&shop(), Default::default()).await.unwrap();
    assert_eq!(deployments.items.len(), 3);
    assert_eq!(admin.deployment(&shop(), Generation(3)).await.unwrap(), deployments.items[2]);
}

#[tokio::test]
async fn a_plan_that_the_world_has_left_behind_is_refused() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    with_host(&admin).await;

    let error = admin.apply_stack(&shop(), SHOP, Some("of yesterday")).await.unwrap_err();
    assert_eq!(error.problem().unwrap().known_code(), Some(ProblemCode::PlanChanged));
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
}

#[tokio::test]
async fn every_fault_of_a_definition_comes_back_with_its_path_and_line() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let faulty = SHOP.replace("\"image\": \"web:1\"", "\"imgae\": \"web:1\", \"replicas\": \"many\"");

    let error = admin.validate_stack(&faulty).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.status, problem.known_code()), (422, Some(ProblemCode::InvalidDefinition)));
    let fault = problem.errors.iter().find(|fault| fault.path.contains("imgae")).unwrap();
    assert_eq!(fault.line, Some(6));
    assert!(problem.errors.len() > 1, "all of them at once: {problem}");
    assert_eq!(admin.apply_stack(&shop(), &faulty, None).await.unwrap_err().problem().unwrap().status, 422);
}

#[tokio::test]
async fn a_definition_of_another_stack_than_the_path_names_is_refused() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let error = admin.apply_stack(&StackName::new("other").unwrap(), SHOP, None).await.unwrap_err();
    assert_eq!(error.problem().unwrap().errors[0].path, "name");
}

#[tokio::test]
async fn an_instance_without_a_host_is_refused_with_the_reason() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let anywhere = SHOP.replace(", \"locatedInHost\": \"vm1\"", "");
    let error = admin.plan_stack(&shop(), &anywhere).await.unwrap_err();
    assert_eq!(error.problem().unwrap().known_code(), Some(ProblemCode::PlacementRefused), "{error}");
}

#[tokio::test]
async fn a_definition_over_its_limit_is_refused_before_it_is_read() {
    let ground = Ground::new();
    let service: Service = ground.service().await;
    let send = |bytes: usize| {
        let (service, token) = (service.clone(), ground.admin_token());
        async move {
            let request = Request::put("/api/v1/stacks/shop")
                .header(header::CONTENT_TYPE, "application/ld+json")
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            service.raw(request.body(Body::from("x".repeat(bytes))).unwrap()).await.0
        }
    };
    assert_eq!(send(1024 * 1024).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(1024 * 1024 + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_unknown_stack_is_not_found_whatever_is_asked_of_it() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let control: Control = ground.control();
    assert_eq!(code_of_control(control.stack(&shop()).await.unwrap_err().kind()), ProblemCode::NotFound);
    assert_eq!(admin.stack(&shop()).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    let error = admin.act_on_stack(&shop(), DeploymentAction::Restart).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
}

#[tokio::test]
async fn a_task_by_itself_raises_no_generation() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    with_host(&admin).await;
    let restart = |generation: Option<u64>| {
        let mut task = SubmitTask::new(agent_id("vm1"), TaskType::Restart);
        (task.stack_id, task.generation) = (Some(shop()), generation.map(Generation));
        task.payload = serde_json::json!({ "containerName": "web" });
        task
    };

    let unknown = admin.submit(&restart(Some(7))).await.unwrap_err();
    assert_eq!(unknown.kind(), StoreErrorKind::Conflict);
    assert_eq!(admin.submit(&restart(None)).await.unwrap().generation, None, "there is no such stack yet");

    admin.apply_stack(&shop(), SHOP, None).await.unwrap();
    for wrong in [0, 2] {
        let refused = admin.submit_all(&[restart(None), restart(Some(wrong))]).await.unwrap_err();
        let problem = refused.problem().unwrap();
        assert_eq!((problem.status, problem.errors[0].path.as_str()), (409, "[1].generation"));
    }
    for right in [None, Some(1)] {
        assert_eq!(admin.submit(&restart(right)).await.unwrap().generation, Some(Generation(1)));
    }
    let next = admin.act_on_stack(&shop(), DeploymentAction::Stop).await.unwrap();
    assert_eq!(next.generation, Generation(2));
}
