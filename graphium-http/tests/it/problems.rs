//! Errors as problems.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use graphium_core::id::TaskId;
use graphium_core::store::{PageRequest, StoreErrorKind, TaskFilter};
use graphium_http::client::kind_of;
use graphium_http::server::code_of;
use graphium_http::server::limits::{MAX_BODY_BYTES, MAX_HEAD_BYTES};
use graphium_http::wire::{MAX_TASK_IDS, Problem};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Ground;

#[test]
fn every_kind_of_store_error_comes_out_of_the_client_as_it_went_into_the_server() {
    for kind in StoreErrorKind::ALL {
        let problem = Problem::new(code_of(kind), "x");
        let read: Problem = serde_json::from_str(&serde_json::to_string(&problem).unwrap()).unwrap();
        assert_eq!(kind_of(&read), kind);
    }
}

#[tokio::test]
async fn what_no_route_answers_is_a_problem_too() {
    let ground = Ground::new();
    let service = ground.service().await;
    let (status, body) = service.call("GET", "/api/v1/nonsense", "", Value::Null).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let (status, body) = service.call("GET", "/nonsense", "", Value::Null).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let (status, body) = service.call("PATCH", "/api/v1/tasks", "", Value::Null).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed")));
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_and_one_at_it_is_read() {
    let ground = Ground::new();
    let service = ground.service().await;
    let send = |bytes: usize| {
        let (service, token) = (service.clone(), ground.admin_token());
        async move {
            let request = Request::post("/api/v1/tasks")
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            service.raw(request.body(Body::from(" ".repeat(bytes - 2) + "{}")).unwrap()).await
        }
    };
    let (status, body) = send(MAX_BODY_BYTES).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid")));
    let (status, body) = send(MAX_BODY_BYTES + 1).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, Some("payload_too_large")));
}

#[tokio::test]
async fn a_head_over_its_limit_is_refused_and_one_at_it_is_read() {
    let ground = Ground::new();
    let server = ground.server().await;
    let status = async |bytes: usize| {
        let begin = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nfiller: ";
        let filler = "x".repeat(bytes - begin.len() - 4);
        let mut connection = TcpStream::connect(server.handle.local_addr()).await.unwrap();
        connection.write_all(format!("{begin}{filler}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(MAX_HEAD_BYTES).await, "200");
    assert_eq!(status(MAX_HEAD_BYTES + 1).await, "431");
}

#[tokio::test]
async fn a_page_over_its_limit_is_refused_with_the_limit() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    for path in ["/api/v1/tasks", "/api/v1/agents", "/api/v1/instances", "/api/v1/tokens", "/api/v1/agents/vm1/tasks"] {
        let (status, _) = service.call("GET", &format!("{path}?limit=1000"), &admin, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        for limit in ["1001", "0"] {
            let (status, body) = service.call("GET", &format!("{path}?limit={limit}"), &admin, Value::Null).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
            assert_eq!(body["errors"][0]["path"], "limit", "{path}");
        }
    }
}

#[tokio::test]
async fn a_fault_in_a_body_is_named_with_its_path() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let tasks = json!([
        { "taskType": "custom", "agentId": "vm1" },
        { "taskType": "stop", "agentId": "vm1", "payload": { "containerName": "web", "tiemout": 3 } }
    ]);
    let (status, body) = service.call("POST", "/api/v1/tasks", &admin, tasks).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["errors"][0]["path"], "[1].payload");
    assert!(body["errors"][0]["message"].as_str().unwrap().contains("tiemout"), "{body}");

    let (_, body) = service.call("POST", "/api/v1/tasks", &admin, json!({ "taskType": "x", "agentId": "a/b" })).await;
    assert_eq!(body["errors"][0]["path"], "agentId");
    let (_, list) = service.call("GET", "/api/v1/tasks", &admin, Value::Null).await;
    assert_eq!(list["items"], json!([]), "all or nothing");
}

#[tokio::test]
async fn a_number_out_of_its_range_is_refused_with_its_path() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let numbers = [
        ("priority", json!(11)),
        ("priority", json!(-1)),
        ("priority", json!(u64::MAX)),
        ("maxRetries", json!(101)),
        ("maxRetries", json!(u64::from(u32::MAX) + 1)),
        ("timeoutSeconds", json!(0)),
        ("timeoutSeconds", json!(-1)),
        ("timeoutSeconds", json!(1e19)),
        ("timeoutSeconds", json!(1e300)),
        ("slot", json!(u64::from(u32::MAX) + 1)),
        ("generation", json!(u64::MAX)),
        ("generation", json!(-1)),
    ];
    for (field, value) in numbers {
        let body = json!({ "taskType": "x", "agentId": "vm1", field: value });
        let (status, body) = service.call("POST", "/api/v1/tasks", &admin, json!([body])).await;
        assert!(status.is_client_error(), "{field}: {value} {body}");
        assert_eq!(body["errors"][0]["path"], format!("[0].{field}"), "{value}: {body}");
    }
    let queries = [
        ("tasks", "limit", "18446744073709551616"),
        ("tasks", "limit", "-1"),
        ("tasks", "since", "0000-01-01T00:00:00Z"),
        ("tasks", "since", "10000-01-01T00:00:00Z"),
        ("events", "after", "18446744073709551616"),
        ("events", "after", "-1"),
    ];
    for (route, variable, value) in queries {
        let path = format!("/api/v1/{route}?{variable}={value}");
        let (status, body) = service.call("GET", &path, &admin, Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {body}");
        assert_eq!(body["errors"][0]["path"], variable, "{path}: {body}");
    }
}

#[tokio::test]
async fn a_loop_call_with_a_number_out_of_its_range_is_refused_with_its_path() {
    let ground = Ground::new();
    let service = ground.service().await;
    let token = service.agent_token(&ground.admin_token(), "vm1").await;
    let id = uuid::Uuid::nil();
    let numbers = [
        ("slots", "slots", json!(257)),
        ("slots", "slots", json!(usize::MAX)),
        ("waitSeconds", "waitSeconds", json!(30.001)),
        ("waitSeconds", "waitSeconds", json!(1e19)),
        ("waitSeconds", "waitSeconds", json!(1e300)),
        ("call", "call", json!(-1)),
        ("running", "running[0].attempt", json!([{ "taskId": id, "attempt": -1 }])),
        ("machine", "machine", json!("")),
    ];
    for (field, path, value) in numbers {
        let mut body = json!({ "session": id, "machine": "m1", "claimId": id });
        body[field] = value.clone();
        let (status, body) = service.call("POST", "/api/v1/agents/vm1/claims", &token, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {value} {body}");
        assert_eq!(body["errors"][0]["path"], path, "{value}: {body}");
    }
}

#[tokio::test]
async fn text_that_is_not_json_and_json_that_is_not_declared_are_refused() {
    let ground = Ground::new();
    let service = ground.service().await;
    let send = |media_type: &'static str, text: &'static str| {
        let (service, token) = (service.clone(), ground.admin_token());
        async move {
            let request = Request::post("/api/v1/tokens")
                .header(header::CONTENT_TYPE, media_type)
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            service.raw(request.body(Body::from(text)).unwrap()).await
        }
    };
    assert_eq!(send("application/json", "{").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(send("application/json", "{} {}").await.0, StatusCode::BAD_REQUEST);
    let (status, body) = send("text/plain", "{}").await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("unsupported_media_type")));
}

#[tokio::test]
async fn as_many_tasks_as_one_call_may_name_fit_into_its_head_and_more_are_refused_with_the_limit() {
    let ground = Ground::new();
    let (server, service) = (ground.server().await, ground.service().await);
    let admin = ground.admin_token();
    let client = server.client(&admin);
    let first = client.submit(&serde_json::from_value(json!({ "taskType": "x", "agentId": "vm1" })).unwrap()).await;
    let first = first.unwrap().id;
    let naming = |number: usize| {
        let others = (1..number).map(|_| TaskId::generate());
        TaskFilter { ids: others.chain([first]).collect(), ..TaskFilter::default() }
    };

    let found = client.tasks(naming(MAX_TASK_IDS), PageRequest::default()).await.unwrap().items;
    assert_eq!(found.iter().map(|task| task.id).collect::<Vec<_>>(), [first]);

    let error = client.tasks(naming(MAX_TASK_IDS + 1), PageRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(error.to_string().contains("at most 150"), "{error}");
    let ids: Vec<_> = naming(MAX_TASK_IDS + 1).ids.iter().map(ToString::to_string).collect();
    let (status, body) = service.call("GET", &format!("/api/v1/tasks?id={}", ids.join(",")), &admin, Value::Null).await;
    assert_eq!((status, &body["errors"][0]["path"]), (StatusCode::BAD_REQUEST, &json!("id")), "{body}");
    server.stop().await;
}
