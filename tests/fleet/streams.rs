//! The live stream over both of its transports, cut and resumed in the middle of a deployment.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::process::{Fleet, PATIENCE};
use crate::site::Site;

/// How many events a connection reads before it is cut.
const CUT_AFTER: usize = 7;

pub(crate) async fn both_streams_show_each_event_of_a_deployment_once_and_in_order_across_a_cut() -> anyhow::Result<()>
{
    let (site, fleet) = (Site::open().await?, Fleet::start(&["localhost-docker", "vm1", "vm2"]).await?);
    let definition = site.definition(include_str!("stacks/manual.json"))?;
    let file = definition.file(&fleet)?;
    let deploy = async {
        fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;
        fleet.cli(&["stack", "remove", &definition.stack]).await?.succeeded()
    };
    let (ended, sockets, sources) =
        tokio::join!(deploy, read(&fleet, Transport::WebSocket), read(&fleet, Transport::EventSource));
    ended?;
    let (sockets, sources) = (sockets?, sources?);
    for seqs in [&sockets, &sources] {
        let dense = seqs.windows(2).all(|pair| pair[1] == pair[0] + 1);
        ensure!(dense && seqs.first() == Some(&1), "a gap, a double or a wrong order: {seqs:?}");
    }
    site.close().await
}

#[derive(Clone, Copy)]
enum Transport {
    WebSocket,
    EventSource,
}

/// Reads from the first event until the stack is deleted, cutting the connection again and again.
async fn read(fleet: &Fleet, transport: Transport) -> anyhow::Result<Vec<u64>> {
    let mut seqs = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let after = seqs.last().copied().unwrap_or(0);
        let frames = match transport {
            Transport::WebSocket => web_socket(fleet, after).await?,
            Transport::EventSource => event_source(fleet, after).await?,
        };
        for frame in frames {
            seqs.push(frame["seq"].as_u64().context("a frame has a seq")?);
            if frame["type"] == "stack_deleted" {
                return Ok(seqs);
            }
        }
    }
    anyhow::bail!("the end of the stack was not seen: {seqs:?}")
}

/// Up to [`CUT_AFTER`] frames of one connection, which is then dropped without a goodbye.
async fn web_socket(fleet: &Fleet, after: u64) -> anyhow::Result<Vec<Value>> {
    let url = format!("{}/api/v1/ws?after={after}", fleet.url().replace("http", "ws"));
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", fleet.admin_token()?).parse()?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let mut frames = Vec::new();
    while frames.len() < CUT_AFTER {
        let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(2), socket.next()).await else { break };
        if let Ok(text) = message?.into_text()
            && !text.is_empty()
        {
            frames.push(serde_json::from_str(&text)?);
        }
    }
    Ok(frames)
}

async fn event_source(fleet: &Fleet, after: u64) -> anyhow::Result<Vec<Value>> {
    let request = reqwest::Client::new().get(format!("{}/api/v1/events", fleet.url()));
    let request = request.bearer_auth(fleet.admin_token()?).header("last-event-id", after.to_string());
    let mut body = request.send().await?.error_for_status()?.bytes_stream();
    let (mut frames, mut text) = (Vec::new(), String::new());
    while frames.len() < CUT_AFTER {
        let Ok(Some(bytes)) = tokio::time::timeout(Duration::from_secs(2), body.next()).await else { break };
        text.push_str(std::str::from_utf8(&bytes?)?);
        while let Some((event, rest)) = text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
        {
            text = rest;
            let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            if !data.trim().is_empty() {
                frames.push(serde_json::from_str(data.trim())?);
            }
        }
    }
    Ok(frames)
}
