//! The event log, live: each event once and in order, whatever happens to the connection.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use futures::{SinkExt, StreamExt, TryStreamExt};
use graphium_core::event::{Event, EventType};
use graphium_core::id::Seq;
use graphium_core::store::{EventFilter, StoreErrorKind, StoreSettings};
use graphium_core::task::TaskType;
use graphium_http::client::Client;
use graphium_http::server::limits::STREAM_BEAT;
use graphium_http::wire::{SubmitTask, TokenRole};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Ground, Service, agent_id, soon, token};
use crate::proxy::Proxy;

async fn submit(admin: &Client, number: usize) {
    let tasks = vec![SubmitTask::new(agent_id("vm1"), TaskType::Custom("x".into())); number];
    admin.submit_all(&tasks).await.unwrap();
}

fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq.0).collect()
}

#[tokio::test]
async fn an_event_source_client_sees_each_event_once_and_in_order_across_cuts() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let proxy = Proxy::to(server.handle.local_addr()).await;
    let watcher = Client::builder(&proxy.url).token(ground.admin_token()).build().unwrap();
    submit(&admin, 10).await;

    let mut stream = watcher.events(EventFilter::default(), Some(Seq(0)));
    let mut seen = Vec::new();
    for round in 0..5 {
        submit(&admin, 300).await;
        // Somewhere in the middle: what is on its way is lost with the connection.
        for _ in 0..150 {
            seen.push(soon(stream.next()).await.unwrap());
        }
        proxy.cut();
        submit(&admin, 20 + round).await;
    }
    let head = ground.store.head().borrow().0;
    while seen.len() < usize::try_from(head).unwrap() {
        seen.push(soon(stream.next()).await.unwrap());
    }
    assert_eq!(seqs(&seen), (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_from_now_on_resumes_where_it_began_although_no_event_had_come() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    submit(&admin, 3).await;
    let proxy = Proxy::to(server.handle.local_addr()).await;
    let watcher = Client::builder(&proxy.url).token(ground.admin_token()).build().unwrap();

    let mut stream = watcher.events(EventFilter::default(), None);
    soon(stream.connect()).await.unwrap();
    let before = ground.store.head().borrow().0;
    proxy.cut();
    submit(&admin, 2).await;

    let first = soon(stream.next()).await.unwrap();
    assert_eq!(first.seq.0, before + 1);
}

#[tokio::test]
async fn a_stream_ends_with_an_error_when_its_token_is_not_good() {
    let ground = Ground::new();
    let server = ground.server().await;
    let stranger = server.client("nonsense");
    let events: Result<Vec<Event>, _> =
        soon(stranger.events(EventFilter::default(), None).into_stream().try_collect()).await;
    assert_eq!(events.unwrap_err().problem().unwrap().status, 401);
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stays_away() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    server.stop().await;
    let stream = admin.events(EventFilter::default(), None).with_patience(std::time::Duration::ZERO);
    let events: Result<Vec<Event>, _> = soon(stream.into_stream().try_collect()).await;
    assert!(events.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_websocket_client_sees_each_event_once_and_in_order_across_a_cut_and_a_resume() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let viewer = token(&admin, TokenRole::Viewer).await;
    let address = server.handle.local_addr();
    let connect = |after: u64| {
        let url = format!("ws://{address}/api/v1/ws?after={after}&access_token={viewer}");
        async move { tokio_tungstenite::connect_async(url).await.unwrap().0 }
    };
    let mut seen: Vec<Event> = Vec::new();
    submit(&admin, 400).await;
    for _ in 0..3 {
        let after = seen.last().map_or(0, |event| event.seq.0);
        let mut socket = connect(after).await;
        for _ in 0..100 {
            let message = soon(socket.next()).await.unwrap().unwrap();
            if let Message::Text(text) = message {
                seen.push(serde_json::from_str(&text).unwrap());
            }
        }
        // Without a word of farewell.
        drop(socket);
    }
    let mut socket = connect(seen.last().unwrap().seq.0).await;
    submit(&admin, 50).await;
    let head = ground.store.head().borrow().0;
    while seen.last().unwrap().seq.0 < head {
        if let Message::Text(text) = soon(socket.next()).await.unwrap().unwrap() {
            seen.push(serde_json::from_str(&text).unwrap());
        }
    }
    assert_eq!(seqs(&seen), (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_websocket_client_that_says_too_much_is_cut_off() {
    let ground = Ground::new();
    let server = ground.server().await;
    let url = format!("ws://{}/api/v1/ws?access_token={}", server.handle.local_addr(), ground.admin_token());
    let mut socket = tokio_tungstenite::connect_async(url).await.unwrap().0;
    socket.send(Message::Text("x".repeat(5000).into())).await.unwrap();
    let ended = soon(async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    });
    ended.await;
}

#[tokio::test]
async fn filters_narrow_a_stream() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    submit(&admin, 5).await;
    let wanted = admin.submit(&SubmitTask::new(agent_id("vm2"), TaskType::Custom("x".into()))).await.unwrap();
    admin.cancel_task(wanted.id).await.unwrap();

    let by_task = EventFilter { task: Some(wanted.id), ..EventFilter::default() };
    let mut stream = admin.events(by_task, Some(Seq(0)));
    let kinds = [soon(stream.next()).await.unwrap().kind, soon(stream.next()).await.unwrap().kind];
    assert_eq!(kinds, [EventType::TaskCreated, EventType::TaskUpdated]);

    let by_kind = EventFilter { kinds: vec![EventType::TaskUpdated], ..EventFilter::default() };
    let mut stream = admin.events(by_kind, Some(Seq(0)));
    assert_eq!(soon(stream.next()).await.unwrap().task_id, Some(wanted.id));
}

/// The first bytes of an event stream, until they hold this text.
async fn read_until(body: Body, text: &str) -> String {
    let mut stream = body.into_data_stream();
    let mut read = String::new();
    while !read.contains(text) {
        let Some(chunk) = soon(stream.next()).await else { break };
        read.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    read
}

#[tokio::test]
async fn an_event_source_resumes_after_the_last_id_that_it_names() {
    let ground = Ground::new();
    let server = ground.server().await;
    submit(&server.client(&ground.admin_token()), 3).await;
    let service = ground.service().await;
    let request = |last: &str| {
        Request::get("/api/v1/events?after=0")
            .header(header::AUTHORIZATION, format!("Bearer {}", ground.admin_token()))
            .header("last-event-id", last)
            .body(Body::empty())
            .unwrap()
    };
    let response = tower::ServiceExt::oneshot(service.0.clone(), request("2")).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let text = read_until(response.into_body(), "data:").await;
    assert!(text.contains("id: 3") && text.contains("event: task_created"), "{text}");
    assert!(!text.contains("id: 1\n"), "{text}");

    let (status, problem) = service.raw(request("yesterday")).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid")));
}

/// The events as a viewer sees them, and the id of the token that lets it.
async fn stream_of_a_viewer(service: &Service, admin: &str) -> (String, Response) {
    let body = serde_json::json!({ "name": "board", "role": "viewer" });
    let (_, created) = service.call("POST", "/api/v1/tokens", admin, body).await;
    let path = format!("/api/v1/events?access_token={}", created["token"].as_str().unwrap());
    let response = tower::ServiceExt::oneshot(service.0.clone(), Request::get(path).body(Body::empty()).unwrap());
    (created["id"].as_str().unwrap().to_owned(), response.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_ends_soon_after_its_token_is_revoked() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let (id, response) = stream_of_a_viewer(&service, &admin).await;

    let (status, _) = service.call("DELETE", &format!("/api/v1/tokens/{id}"), &admin, Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    let text = read_until(response.into_body(), "event: end").await;
    assert!(text.contains("the token is not good any more"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_stream_too_ends_soon_after_its_token_is_revoked() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let (id, response) = stream_of_a_viewer(&service, &admin).await;

    service.call("DELETE", &format!("/api/v1/tokens/{id}"), &admin, Value::Null).await;
    tokio::time::advance(STREAM_BEAT).await;
    let task = serde_json::json!({ "taskType": "x", "agentId": "vm1" });
    let (status, _) = service.call("POST", "/api/v1/tasks", &admin, task).await;
    assert_eq!(status, StatusCode::CREATED);

    let text = read_until(response.into_body(), "event: end").await;
    assert!(text.contains("the token is not good any more") && !text.contains("task_created"), "{text}");
}

#[tokio::test]
async fn a_reader_whose_next_events_were_pruned_is_told_and_skips_nothing() {
    let ground = Ground::new();
    let service = ground.service().await;
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    submit(&admin, 5).await;
    ground.clock.advance(StoreSettings::default().retention.events.unwrap());
    while ground.store.prune().await.unwrap().more {}

    for path in ["/api/v1/events", "/api/v1/events?after=2"] {
        let request = Request::get(path)
            .header("last-event-id", "2")
            .header(header::AUTHORIZATION, format!("Bearer {}", ground.admin_token()));
        let (status, problem) = service.raw(request.body(Body::empty()).unwrap()).await;
        assert_eq!((status, problem["code"].as_str()), (StatusCode::GONE, Some("gone")));
        assert!(problem["detail"].as_str().unwrap().contains("events 5 to 5 are kept"), "{problem}");
    }
    let error = soon(admin.events(EventFilter::default(), Some(Seq(2))).next()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Gone);
    let first = soon(admin.events(EventFilter::default(), Some(Seq(0))).next()).await.unwrap();
    assert_eq!(first.seq, Seq(5));
}
