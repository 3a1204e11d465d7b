//! The event log as a stream that survives cuts: it goes on after the last event that was seen.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures::Stream;
use graphium_core::event::Event;
use graphium_core::id::Seq;
use graphium_core::store::EventFilter;
use http::Method;
use reqwest::Response;
use tokio::time::Instant;

use super::builder::Client;
use super::error::ClientError;
use super::sse::{Frame, Parser};

/// After so long without a sign of life a stream counts as cut. The server shows one every ten seconds.
pub const STREAM_SILENCE: Duration = Duration::from_secs(30);
/// How long a server may stay away before the stream ends with an error, when nothing is said.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Events as they come, each once and in order, across cuts.
pub struct EventStream {
    client: Client,
    filter: EventFilter,
    after: Option<Seq>,
    patience: Duration,
    connection: Option<Connection>,
    ready: VecDeque<Event>,
    away_since: Option<Instant>,
    pause: Duration,
}

struct Connection {
    response: Response,
    parser: Parser,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("filter", &self.filter).field("after", &self.after).finish_non_exhaustive()
    }
}

impl Client {
    /// The events after this one, 0 for all that there are; or from now on when nothing is said.
    #[must_use]
    pub fn events(&self, filter: EventFilter, after: Option<Seq>) -> EventStream {
        EventStream {
            client: self.clone(),
            filter,
            after,
            patience: DEFAULT_PATIENCE,
            connection: None,
            ready: VecDeque::new(),
            away_since: None,
            pause: FIRST_PAUSE,
        }
    }
}

impl EventStream {
    /// How long the server may stay away before the stream ends with an error.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects now instead of at the first read, so that nothing that happens after this call is missed.
    ///
    /// # Errors
    /// [`ClientError`] when the server is not reached or refuses.
    pub async fn connect(&mut self) -> Result<(), ClientError> {
        while self.connection.is_none() || self.after.is_none() {
            self.advance().await?;
        }
        Ok(())
    }

    /// The next event. An error is final.
    ///
    /// # Errors
    /// [`ClientError`] when the server refuses, or stays away for longer than the stream's patience.
    ///
    /// # Cancel safety
    /// A dropped call loses no event.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            self.advance().await?;
        }
    }

    /// The same as a [`Stream`], which ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, ClientError>> + Send {
        futures::stream::unfold(Some(self), |state| async {
            let mut events = state?;
            match events.next().await {
                Ok(event) => Some((Ok(event), Some(events))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Reads one piece, or connects.
    async fn advance(&mut self) -> Result<(), ClientError> {
        let Some(connection) = &mut self.connection else { return self.reconnect().await };
        let mut frames = Vec::new();
        match tokio::time::timeout(STREAM_SILENCE, connection.response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                let read = connection.parser.feed(&bytes, &mut frames);
                read.map_err(|error| self.client.unreadable(error.to_string()))?;
                self.pause = FIRST_PAUSE;
                frames.into_iter().try_for_each(|frame| self.take(&frame))
            }
            // Cut, ended or silent: the next turn goes on after the last event.
            Ok(Ok(None) | Err(_)) | Err(_) => {
                self.connection = None;
                self.rest().await;
                Ok(())
            }
        }
    }

    async fn reconnect(&mut self) -> Result<(), ClientError> {
        let request = self.client.call(Method::GET, &["events"]).query(&self.query());
        // The stream has no end; its silence is what is bounded.
        let request = request.timeout(Duration::MAX).header("accept", "text/event-stream");
        let limit = self.client.call_timeout();
        let sent = tokio::time::timeout(limit, self.client.send(request)).await;
        match sent {
            Ok(Ok(response)) => {
                self.connection = Some(Connection { response, parser: Parser::default() });
                self.away_since = None;
                Ok(())
            }
            Ok(Err(error)) if error.kind() != graphium_core::store::StoreErrorKind::Unavailable => Err(error),
            Ok(Err(error)) => {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.patience {
                    return Err(error);
                }
                self.rest().await;
                Ok(())
            }
            Err(_) => {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.patience {
                    return Err(self.client.unreadable(format!("no answer within {limit:?}")));
                }
                Ok(())
            }
        }
    }

    async fn rest(&mut self) {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
    }

    /// Takes a frame. What was seen before, for whatever reason it is sent again, is left out.
    fn take(&mut self, frame: &Frame) -> Result<(), ClientError> {
        if let (Some(id), true) = (&frame.id, frame.data.is_empty()) {
            let seen = id.parse().map(Seq).map_err(|_| self.client.unreadable(format!("event id {id:?}")))?;
            self.after = self.after.max(Some(seen));
            return Ok(());
        }
        if frame.id.is_none() || frame.data.is_empty() {
            return Ok(());
        }
        let event: Event =
            serde_json::from_str(&frame.data).map_err(|error| self.client.unreadable(error.to_string()))?;
        if self.after.is_none_or(|after| event.seq > after) {
            self.after = Some(event.seq);
            self.ready.push_back(event);
        }
        Ok(())
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        query.extend(self.after.map(|after| ("after", after.to_string())));
        if !self.filter.kinds.is_empty() {
            let names = self.filter.kinds.iter().filter_map(|kind| serde_json::to_value(kind).ok());
            let names: Vec<_> = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
            query.push(("type", names.join(",")));
        }
        query.extend(self.filter.stack.as_ref().map(|stack| ("stackId", stack.to_string())));
        query.extend(self.filter.task.map(|task| ("taskId", task.to_string())));
        query.extend(self.filter.agent.as_ref().map(|agent| ("agentId", agent.to_string())));
        query
    }
}
