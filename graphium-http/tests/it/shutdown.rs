//! Stopping without breaking a promise.

use std::time::Duration;

use futures::StreamExt;
use graphium_core::id::SessionId;
use graphium_core::store::{AgentStore, ClaimRequest, EventFilter};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Ground, agent_id, join, soon};

#[tokio::test]
async fn a_waiting_poll_is_answered_when_the_server_stops() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;

    let request = ClaimRequest::hello(SessionId::generate(), "machine-1").asking(1, Duration::from_secs(30));
    let vm1 = agent_id("vm1");
    let waiting = agent.claim(&vm1, request);
    let stopping = async {
        // Its session shows that the call has arrived.
        while admin.hosts(Default::default()).await.unwrap().items.is_empty() {
            tokio::task::yield_now().await;
        }
        server.stop().await;
    };
    let (answer, ()) = soon(futures::future::join(waiting, stopping)).await;
    assert_eq!(answer.unwrap().claims, []);
}

#[tokio::test]
async fn streams_are_told_that_the_server_stops() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let url = format!("ws://{}/api/v1/ws?access_token={}", server.handle.local_addr(), ground.admin_token());
    let mut socket = tokio_tungstenite::connect_async(url).await.unwrap().0;
    let mut events = admin.events(EventFilter::default(), None).with_patience(Duration::ZERO);
    soon(events.connect()).await.unwrap();

    let told = async {
        loop {
            let message = socket.next().await.unwrap().unwrap();
            if let Message::Close(frame) = message {
                break frame.unwrap();
            }
            assert!(message.is_ping(), "{message:?}");
        }
    };
    let (frame, ended, ()) = soon(futures::future::join3(told, events.next(), server.stop())).await;
    assert_eq!(u16::from(frame.code), 1001);
    assert!(ended.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_request_that_does_not_end_holds_the_server_no_longer_than_its_limit() {
    let ground = Ground::new();
    let mut config = ground.config();
    config.drain = Duration::from_millis(300);
    let server = ground.server_at(config).await;
    let mut connection = tokio::net::TcpStream::connect(server.handle.local_addr()).await.unwrap();
    let head = format!(
        "POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        ground.admin_token()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    soon(server.stop()).await;
}

#[tokio::test]
async fn a_server_that_stopped_is_not_ready_and_takes_no_connection() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    assert!(admin.ready().await.unwrap().ready);
    server.stop().await;
    assert!(admin.ready().await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_server_that_is_dropped_leaves_no_connection_behind() {
    let ground = Ground::new();
    let server = ground.server().await;
    let admin = server.client(&ground.admin_token());
    let agent = join(&admin, "vm1").await;
    let url = format!("ws://{}/api/v1/ws?access_token={}", server.handle.local_addr(), ground.admin_token());
    let mut socket = tokio_tungstenite::connect_async(url).await.unwrap().0;
    let request = ClaimRequest::hello(SessionId::generate(), "machine-1").asking(1, Duration::from_secs(30));
    let vm1 = agent_id("vm1");
    let waiting = agent.claim(&vm1, request);
    let dropping = async {
        while admin.hosts(Default::default()).await.unwrap().items.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(server);
    };
    // Answered at once or cut: in no case does it wait on.
    let ended =
        async { while socket.next().await.is_some_and(|message| message.is_ok_and(|message| !message.is_close())) {} };
    let (answer, (), ()) = soon(futures::future::join3(waiting, dropping, ended)).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.claims.is_empty()));
    assert!(admin.ready().await.unwrap_err().is_unreachable());
}
