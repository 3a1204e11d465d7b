//! The event log as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use futures::Stream;
use graphium_core::event::{Event, EventType};
use graphium_core::id::{AgentId, Seq, StackName, TaskId};
use graphium_core::store::{EventFilter, StoreErrorKind};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::server::body::{Asked, list_of};
use crate::server::caller::Watcher;
use crate::server::feed::Feed;
use crate::server::limits::STREAM_BEAT;
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::Problem;

/// Why a stream ends whose token was revoked or has expired.
pub(super) const REVOKED: &str = "the token is not good any more";

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Events after this number; 0 for all that there are. The ones to come when nothing is said.
    #[param(value_type = Option<u64>)]
    after: Option<Seq>,
    /// Only these types, separated by commas.
    #[serde(rename = "type")]
    kinds: Option<String>,
    /// Only about this stack.
    stack_id: Option<StackName>,
    /// Only about this task.
    task_id: Option<TaskId>,
    /// Only about this host.
    agent_id: Option<AgentId>,
}

impl EventQuery {
    /// The events that were asked for. `resumed` is where a reader that was cut off goes on.
    pub(super) fn feed(self, state: &AppState, resumed: Option<Seq>) -> Result<Feed, ApiError> {
        let filter = EventFilter {
            kinds: list_of::<EventType>("type", self.kinds.as_deref())?,
            task: self.task_id,
            stack: self.stack_id,
            agent: self.agent_id,
            ..EventFilter::default()
        };
        Ok(Feed::new(Arc::clone(&state.store), filter, resumed.or(self.after)))
    }
}

/// What a reader that was cut off has seen last.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Seq>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(|number| Some(Seq(number))).ok_or_else(|| ApiError::invalid("Last-Event-ID", "it is an event's number"))
}

/// The event log, live. Resume with `Last-Event-ID` or `after`: nothing is lost and nothing comes twice. Where the events to
/// go on with were pruned, the answer is `gone`: read the present state, then the events from now on.
#[utoipa::path(get, path = "/events", tag = "events", params(EventQuery), responses(
    (status = 200, content_type = "text/event-stream", body = Event), (status = "default", body = Problem)
))]
pub(super) async fn stream_events(
    State(state): State<AppState>,
    watcher: Watcher,
    headers: HeaderMap,
    Asked(query): Asked<EventQuery>,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, ApiError> {
    let permit = state.streams.admit()?;
    let feed = query.feed(&state, last_event_id(&headers)?)?;
    feed.check().await?;
    let reader = Reader { feed, state, watcher, ready: VecDeque::new(), told: None, ended: false, _permit: permit };
    let frames = futures::stream::unfold(reader, |mut reader| async {
        let frame = reader.next().await?;
        Some((Ok(frame), reader))
    });
    Ok(Sse::new(frames).keep_alive(KeepAlive::new().interval(STREAM_BEAT)))
}

struct Reader {
    feed: Feed,
    state: AppState,
    watcher: Watcher,
    ready: VecDeque<Event>,
    /// The place that the client knows, so that it resumes there even when no event of its filter came.
    told: Option<Seq>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.ended {
                return None;
            }
            if !self.watcher.is_good(&self.state).await {
                return Some(self.end(REVOKED));
            }
            if let Some(event) = self.ready.pop_front() {
                self.told = Some(event.seq);
                return Some(frame(&event));
            }
            let place = self.feed.place();
            if self.told != Some(place) {
                self.told = Some(place);
                return Some(Frame::default().id(place.to_string()));
            }
            let stopping = self.state.stopping.clone();
            let read = tokio::select! {
                read = self.feed.next() => read,
                () = stopping.cancelled() => return Some(self.end("the server is stopping: connect again")),
            };
            match read {
                Ok(events) => self.ready.extend(events),
                Err(error) if error.kind() == StoreErrorKind::Gone => return Some(self.end(&error.to_string())),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an event stream could not read on");
                    return Some(self.end("the store does not answer: connect again"));
                }
            }
        }
    }

    /// The last frame: why the stream ends.
    fn end(&mut self, why: &str) -> Frame {
        self.ended = true;
        Frame::default().event("end").data(why)
    }
}

fn frame(event: &Event) -> Frame {
    let kind = serde_json::to_value(event.kind).ok();
    let frame = Frame::default().id(event.seq.to_string());
    let frame = match kind.as_ref().and_then(|kind| kind.as_str()) {
        Some(kind) => frame.event(kind),
        None => frame,
    };
    frame.json_data(event).unwrap_or_else(|error| unreachable!("an event is JSON: {error}"))
}
