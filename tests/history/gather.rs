//! Everything of a run, once it is over: the journals, and what the server kept.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt};
use graphium_core::id::{AgentId, ContainerName, Seq, Slot, StackName, TaskId};
use graphium_core::store::{EventFilter, MAX_PAGE, PageRequest, TaskFilter};
use graphium_core::task::{Lane, TaskStatus, TaskType, TaskView};
use graphium_http::client::Client;
use graphium_http::wire::SubmitTask;
use graphium_tests::history::call::{Answer, Call, read_journal};
use graphium_tests::history::log::Entry;
use graphium_tests::history::{History, Kept};

use crate::script;

/// How many histories of tasks are asked for at once.
const AT_ONCE: usize = 8;

/// A mark at the end of the log: the number of its last event.
pub(crate) async fn mark(client: &Client) -> anyhow::Result<u64> {
    let task = client.submit(&SubmitTask::new(AgentId::new("nobody")?, script::work())).await?.id;
    client.cancel_task(task).await?;
    let filter = EventFilter { task: Some(task), ..EventFilter::default() };
    let mut events = client.events(filter, Some(Seq(0)));
    loop {
        let event = events.next().await?;
        if event.data["status"] == "cancelled" {
            return Ok(event.seq.0);
        }
    }
}

/// Reads the history up to the mark. Nothing may happen to a task any more.
pub(crate) async fn history(
    client: &Client,
    journals: &Path,
    mark: u64,
    followed: BTreeMap<String, Vec<(u64, u64)>>,
) -> anyhow::Result<History> {
    let mut calls = Vec::new();
    for entry in std::fs::read_dir(journals)? {
        let path = entry?.path();
        let who = path.file_name().and_then(|name| name.to_str()).context("a journal has a name")?;
        calls.extend(read_journal(who, &std::fs::read_to_string(&path)?)?);
    }
    let log = log(client, mark).await?;
    let tasks = tasks(client, &calls).await?;
    let counts: BTreeMap<TaskStatus, u64> = client.task_stats().await?.by_status;
    Ok(History { calls, log, followed, tasks, counts })
}

async fn log(client: &Client, mark: u64) -> anyhow::Result<Vec<Entry>> {
    let mut log: Vec<Entry> = Vec::new();
    let mut events = client.events(EventFilter::default(), Some(Seq(0)));
    while log.last().is_none_or(|entry| entry.seq < mark) {
        let event = events.next().await?;
        log.push(Entry::try_from(&event).map_err(anyhow::Error::msg)?);
    }
    Ok(log)
}

async fn tasks(client: &Client, calls: &[Call]) -> anyhow::Result<BTreeMap<TaskId, Kept>> {
    let mut views = BTreeMap::new();
    let mut page = PageRequest { limit: MAX_PAGE, after: None };
    loop {
        let answer = client.tasks(TaskFilter::default(), page.clone()).await?;
        views.extend(answer.items.into_iter().map(|view| (view.id, view)));
        page.after = answer.next;
        if page.after.is_none() {
            break;
        }
    }
    let told = lanes_as_told(calls);
    for (id, lane) in &told {
        let shown = views.get(id).and_then(lane_of);
        ensure!(shown.is_none() || shown == *lane, "{id} was given in lane {lane:?} and should be in {shown:?}");
    }
    let kept = |view: TaskView| async {
        let attempts = client.task_history(view.id).await?.attempts;
        let lane = told.get(&view.id).cloned().flatten().or_else(|| lane_of(&view));
        let kept = Kept {
            agent: view.agent_id,
            status: view.status,
            attempt: view.attempt,
            lane,
            generation: view.generation,
            depends_on: view.depends_on,
            attempts,
        };
        anyhow::Ok((view.id, kept))
    };
    futures::stream::iter(views.into_values().map(kept)).buffer_unordered(AT_ONCE).try_collect().await
}

fn lanes_as_told(calls: &[Call]) -> BTreeMap<TaskId, Option<String>> {
    let given = calls.iter().filter_map(|call| match call.answer() {
        Some(Answer::Claimed { given, .. }) => Some(given),
        _ => None,
    });
    given.flatten().map(|(task, _, lane)| (*task, lane.clone())).collect()
}

/// The lane of a task, from what the server shows of it: that of a task which no agent has heard of counts too.
fn lane_of(view: &TaskView) -> Option<String> {
    let payload = &view.payload;
    let stack = view.stack_id.clone().or_else(|| payload["stack"].as_str().and_then(|name| StackName::new(name).ok()));
    let name = match &view.task_type {
        TaskType::Custom(_) => return None,
        TaskType::Prefetch | TaskType::Cleanup => {
            return stack.map(|stack| Lane::stack(&view.agent_id, &stack).as_str().to_owned());
        }
        TaskType::Deploy => &payload["containerSpec"]["name"],
        TaskType::Delete | TaskType::Stop | TaskType::Start | TaskType::Restart | TaskType::Update => {
            &payload["containerName"]
        }
    };
    let named = || name.as_str().and_then(|name| ContainerName::new(name).ok());
    let container = view.container_id.clone().or_else(named)?;
    let slot = view.slot.unwrap_or(Slot(0));
    Some(Lane::instance(&view.agent_id, stack.as_ref(), &container, slot).as_str().to_owned())
}
