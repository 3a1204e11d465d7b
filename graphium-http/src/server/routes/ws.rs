//! The event log over a WebSocket.

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use graphium_core::event::Event;
use graphium_core::store::StoreErrorKind;

use super::events::{EventQuery, REVOKED};
use crate::server::body::Asked;
use crate::server::caller::Watcher;
use crate::server::feed::Feed;
use crate::server::limits::{FRAME_TIMEOUT, MAX_CLIENT_MESSAGE_BYTES};
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{Problem, ProblemCode};

/// The event log, live, a frame for each event. Resume with `after`: nothing is lost and nothing comes twice.
#[utoipa::path(get, path = "/ws", tag = "events", params(EventQuery), responses(
    (status = 101, body = Event), (status = "default", body = Problem)
))]
pub(super) async fn watch_events(
    State(state): State<AppState>,
    mut watcher: Watcher,
    Asked(query): Asked<EventQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| ApiError::new(ProblemCode::Invalid, rejection.body_text()))?;
    let permit = state.streams.admit()?;
    let feed = query.feed(&state, None)?;
    feed.check().await?;
    let upgrade = upgrade.max_message_size(MAX_CLIENT_MESSAGE_BYTES).max_frame_size(MAX_CLIENT_MESSAGE_BYTES);
    let tracker = state.tracker.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            let _permit = permit;
            let why = watch(socket, feed, &state, &mut watcher).await;
            tracing::debug!(why, "a WebSocket ended");
        })
    }))
}

/// Sends events until either side ends; says why it ended.
async fn watch(socket: WebSocket, mut feed: Feed, state: &AppState, watcher: &mut Watcher) -> &'static str {
    let (mut out, mut incoming) = socket.split();
    loop {
        if !watcher.is_good(state).await {
            return close(&mut out, close_code::POLICY, REVOKED).await;
        }
        let read = tokio::select! {
            read = feed.next() => read,
            message = incoming.next() => match message {
                Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_))) | None => return "the client left",
                Some(Err(_)) => return "the connection broke",
            },
            () = state.stopping.cancelled() => {
                return close(&mut out, close_code::AWAY, "the server is stopping: connect again").await;
            }
        };
        match read {
            Ok(events) if events.is_empty() => {
                if !send(&mut out, Message::Ping(Vec::new().into())).await {
                    return "the client does not take frames";
                }
            }
            Ok(events) => {
                for event in events {
                    if !watcher.is_good(state).await {
                        return close(&mut out, close_code::POLICY, REVOKED).await;
                    }
                    if !send(&mut out, text(&event)).await {
                        return "the client does not take frames";
                    }
                }
            }
            Err(error) if error.kind() == StoreErrorKind::Gone => {
                return close(&mut out, close_code::POLICY, "the events to go on with were pruned").await;
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "an event stream could not read on");
                return close(&mut out, close_code::AGAIN, "the store does not answer: connect again").await;
            }
        }
    }
}

fn text(event: &Event) -> Message {
    let json = serde_json::to_string(event).unwrap_or_else(|error| unreachable!("an event is JSON: {error}"));
    Message::Text(json.into())
}

async fn send(out: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    matches!(tokio::time::timeout(FRAME_TIMEOUT, out.send(message)).await, Ok(Ok(())))
}

async fn close(out: &mut SplitSink<WebSocket, Message>, code: u16, why: &'static str) -> &'static str {
    if !send(out, Message::Close(Some(CloseFrame { code, reason: why.into() }))).await {
        return "the client left before it was told";
    }
    why
}
