//! Readers who follow the log from its beginning while it grows, over both transports, and resume after every cut.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use graphium_core::event::Event;
use graphium_core::id::Seq;
use graphium_core::store::EventFilter;
use graphium_http::client::Client;
use graphium_tests::history::log::digest;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::ledger::Ledger;

/// After so long without a frame a WebSocket counts as cut: the server pings every ten seconds.
const SILENCE: Duration = Duration::from_secs(15);
/// A server may stay away for so long.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a reader has seen: numbers and digests.
pub(crate) type Seen = Arc<Mutex<Vec<(u64, u64)>>>;

fn note(seen: &Seen, event: &Event) {
    seen.lock().expect("nobody panics while holding it").push((event.seq.0, digest(event)));
}

fn last(seen: &Seen) -> u64 {
    seen.lock().expect("nobody panics while holding it").last().map_or(0, |(seq, _)| *seq)
}

/// Reads server-sent events until the end is known and reached.
pub(crate) async fn event_source(client: Client, seen: Seen, ledger: Arc<Ledger>, mut end: watch::Receiver<u64>) {
    let mut events = client.events(EventFilter::default(), Some(Seq(0))).with_patience(PATIENCE);
    while last(&seen) < *end.borrow_and_update() {
        let event = tokio::select! {
            event = events.next() => event,
            _ = end.changed() => continue,
        };
        match event {
            Ok(event) => {
                ledger.saw(&event);
                note(&seen, &event);
            }
            Err(error) => return ledger.complain(format!("the event stream ended: {error}")),
        }
    }
}

/// Reads a WebSocket, again and again, until the end is known and reached.
pub(crate) async fn web_socket(url: String, token: String, seen: Seen, ledger: Arc<Ledger>, end: watch::Receiver<u64>) {
    while last(&seen) < *end.borrow() {
        ledger.count("sockets opened");
        match frames(&url, &token, &seen, &end).await {
            Ok(()) => {}
            // A frame that is none is a fault; a line that is cut is not.
            Err(Broken::Frame(what)) => return ledger.complain(format!("the socket brought {what}")),
            Err(Broken::Line) => sleep(Duration::from_millis(100)).await,
        }
    }
}

enum Broken {
    Line,
    Frame(String),
}

async fn frames(url: &str, token: &str, seen: &Seen, end: &watch::Receiver<u64>) -> Result<(), Broken> {
    let address = format!("{}/api/v1/ws?after={}", url.replace("http", "ws"), last(seen));
    let mut request = address.into_client_request().map_err(|error| Broken::Frame(error.to_string()))?;
    let bearer = format!("Bearer {token}").parse().map_err(|_| Broken::Frame("a token that is no header".into()))?;
    request.headers_mut().insert("authorization", bearer);
    let connected = timeout(SILENCE, tokio_tungstenite::connect_async(request)).await;
    let Ok(Ok((mut socket, _))) = connected else { return Err(Broken::Line) };
    let mut end = end.clone();
    while last(seen) < *end.borrow_and_update() {
        let message = tokio::select! {
            message = timeout(SILENCE, socket.next()) => message,
            _ = end.changed() => continue,
        };
        let Ok(Some(Ok(message))) = message else { return Err(Broken::Line) };
        if let Message::Text(text) = message {
            let event = serde_json::from_str(&text).map_err(|error| Broken::Frame(format!("{error}: {text}")))?;
            note(seen, &event);
        }
    }
    Ok(())
}
