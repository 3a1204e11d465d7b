//! An agent that reads its tasks and says what became of them, without the loop call.

use axum::http::StatusCode;
use graphium_core::task::TaskType;
use graphium_http::wire::SubmitTask;
use serde_json::{Value, json};

use crate::harness::{Ground, Service, agent_id};

struct Plain {
    service: Service,
    token: String,
}

impl Plain {
    async fn new(ground: &Ground) -> Self {
        let service = ground.service().await;
        let token = service.agent_token(&ground.admin_token(), "vm1").await;
        Self { service, token }
    }

    async fn tasks(&self) -> Vec<Value> {
        let (status, page) = self.service.call("GET", "/api/v1/agents/vm1/tasks", &self.token, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    async fn say(&self, task: &Value, body: Value) -> (StatusCode, Value) {
        let path = format!("/api/v1/tasks/{}/status", task["@id"].as_str().unwrap());
        self.service.call("PUT", &path, &self.token, body).await
    }
}

async fn submit(ground: &Ground, service: &Service) {
    let body = serde_json::to_value(SubmitTask::new(agent_id("vm1"), TaskType::Custom("x".into()))).unwrap();
    let (status, answer) = service.call("POST", "/api/v1/tasks", &ground.admin_token(), body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

#[tokio::test]
async fn it_takes_a_task_with_the_attempt_that_it_read_and_completes_it() {
    let ground = Ground::new();
    let agent = Plain::new(&ground).await;
    submit(&ground, &agent.service).await;

    let task = agent.tasks().await.remove(0);
    assert_eq!(task["attempt"], 0);
    let (status, running) = agent.say(&task, json!({ "status": "running", "attempt": 0 })).await;
    assert_eq!(
        (status, running["status"].as_str(), running["attempt"].as_u64()),
        (StatusCode::OK, Some("running"), Some(1))
    );

    let progress = json!({ "step": "pull", "percent": 40 });
    let (_, shown) = agent.say(&task, json!({ "status": "running", "attempt": 1, "progress": progress })).await;
    assert_eq!(shown["progress"], progress);

    let done = json!({ "status": "completed", "attempt": 1, "result": { "id": "abc" } });
    let (status, completed) = agent.say(&task, done.clone()).await;
    assert_eq!((status, &completed["result"]["data"]), (StatusCode::OK, &json!({ "id": "abc" })));
    let (status, _) = agent.say(&task, done).await;
    assert_eq!(status, StatusCode::OK, "the same report twice is accepted twice");
    assert!(agent.tasks().await.is_empty());
}

#[tokio::test]
async fn of_two_that_read_the_same_attempt_one_gets_the_task() {
    let ground = Ground::new();
    let agent = Plain::new(&ground).await;
    submit(&ground, &agent.service).await;
    let task = agent.tasks().await.remove(0);

    let take = || agent.say(&task, json!({ "status": "running", "attempt": 0 }));
    let answers = futures::future::join_all([take(), take(), take(), take()]).await;
    let won = answers.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    let lost = answers.iter().filter(|(status, _)| *status == StatusCode::CONFLICT).count();
    assert_eq!((won, lost), (1, 3), "{answers:?}");
}

#[tokio::test]
async fn a_report_of_an_attempt_that_is_over_changes_nothing() {
    let ground = Ground::new();
    let agent = Plain::new(&ground).await;
    submit(&ground, &agent.service).await;
    let task = agent.tasks().await.remove(0);
    agent.say(&task, json!({ "status": "running", "attempt": 0 })).await;

    let (status, problem) = agent.say(&task, json!({ "status": "completed", "attempt": 0 })).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("stale_attempt")));
    assert_eq!(agent.tasks().await[0]["status"], "running");
}

#[tokio::test]
async fn reading_the_list_keeps_a_taken_task() {
    let ground = Ground::new();
    let agent = Plain::new(&ground).await;
    submit(&ground, &agent.service).await;
    let task = agent.tasks().await.remove(0);
    agent.say(&task, json!({ "status": "running", "attempt": 0 })).await;

    for _ in 0..5 {
        ground.clock.advance(std::time::Duration::from_secs(20));
        ground.store.sweep().await.unwrap();
        assert_eq!(agent.tasks().await[0]["status"], "running");
    }
    ground.clock.advance(std::time::Duration::from_secs(40));
    ground.store.sweep().await.unwrap();
    assert_eq!(agent.tasks().await[0]["status"], "pending", "without a sign of life it is lost");
}
