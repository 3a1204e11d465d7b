//! `graphium task show` and `graphium task stats`.

use std::io::{self, Write};
use std::time::Duration;

use graphium_core::id::TaskId;
use graphium_core::store::{AttemptRecord, TaskHistory, TaskStats, WaitPercentiles};
use graphium_core::task::{TaskStatus, TaskView};
use graphium_http::client::Client;
use serde::Serialize;

use super::row::{age_of, note};
use crate::duration::{age, took};
use crate::output::{Format, print_json, table};

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    task: TaskView,
    history: TaskHistory,
}

/// Prints one task.
pub(super) async fn task(api: &Client, id: TaskId, format: Format) -> anyhow::Result<()> {
    let (task, history) = tokio::try_join!(api.task(id), api.task_history(id))?;
    match format {
        Format::Json => print_json(&Shown { task, history }),
        Format::Table => {
            let mut out = io::stdout();
            writeln!(out, "{}", facts(&task))?;
            if !history.attempts.is_empty() {
                writeln!(out, "\n{}", attempts(&history.attempts))?;
            }
            Ok(())
        }
    }
}

fn facts(task: &TaskView) -> String {
    let mut lines = vec![
        ("task", task.id.to_string()),
        ("type", task.task_type.to_string()),
        ("status", task.status.to_string()),
        ("host", task.host_id.to_string()),
    ];
    let mut more = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    more("stack", task.stack_id.as_ref().map(ToString::to_string));
    more("generation", task.generation.map(|generation| generation.to_string()));
    more("container", task.container_id.as_ref().map(ToString::to_string));
    more("priority", Some(task.priority.get().to_string()));
    more("created", Some(format!("{} ({} ago)", task.date_created, age_of(task.date_created))));
    more("by", task.created_by.clone());
    more("retries", Some(format!("{} of {} used", task.retry_count, task.max_retries)));
    more("timeout", Some(took(Duration::from_secs(task.timeout_seconds))));
    more("waits for", (!task.depends_on.is_empty()).then(|| ids(&task.depends_on)));
    more("not before", task.not_before.map(|at| at.to_string()));
    more("error", task.error.as_ref().map(ToString::to_string));
    more("in step", task.error.as_ref().and_then(|failure| failure.step.clone()));
    more("cancelled", task.cancel_reason.as_ref().map(ToString::to_string));
    more("undone", task.undone.clone());
    more("now", task.progress.as_ref().map(|_| note(task)));
    for instance in task.result.iter().flat_map(|outcome| &outcome.instances) {
        lines.push(("result", format!("{} {} ({})", instance.action, instance.name, instance.runtime_id)));
    }
    for warning in task.result.iter().flat_map(|outcome| &outcome.warnings) {
        lines.push(("warning", warning.clone()));
    }
    lines.iter().map(|(name, value)| format!("{name:<12}{value}")).collect::<Vec<_>>().join("\n")
}

fn ids(ids: &[TaskId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn attempts(attempts: &[AttemptRecord]) -> String {
    let rows = attempts.iter().map(|attempt| {
        let lasted = attempt.ended_at.map(|end| took(end.since(attempt.assigned_at)));
        vec![
            attempt.attempt.to_string(),
            attempt.assigned_at.to_string(),
            lasted.unwrap_or_else(|| "-".to_owned()),
            attempt.ended.clone().unwrap_or_else(|| "under way".to_owned()),
            attempt.error.clone().unwrap_or_default(),
        ]
    });
    table(&["ATTEMPT", "ASSIGNED", "TOOK", "ENDED", "ERROR"], rows)
}

/// Prints the queue in numbers.
pub(super) async fn stats(api: &Client, format: Format) -> anyhow::Result<()> {
    let stats = api.task_stats().await?;
    match format {
        Format::Json => print_json(&stats),
        Format::Table => Ok(writeln!(io::stdout(), "{}", numbers(&stats))?),
    }
}

fn numbers(stats: &TaskStats) -> String {
    let of = |status| stats.by_status.get(&status).copied().unwrap_or(0);
    let mut lines: Vec<_> = TaskStatus::ALL.into_iter().map(|status| format!("{status:<12}{}", of(status))).collect();
    let oldest = stats.oldest_claimable_ms.map_or_else(|| "-".to_owned(), |ms| age(Duration::from_millis(ms)));
    lines.push(format!("\noldest task that could begin: {oldest}"));
    lines.push(format!("waited: {}", percentiles(stats.wait)));
    lines.push(format!("ran:    {}", percentiles(stats.run)));
    if !stats.by_type.is_empty() {
        let rows = stats.by_type.iter().map(|(kind, count)| vec![kind.to_string(), count.to_string()]);
        lines.push(format!("\n{}", table(&["TYPE", "TASKS"], rows)));
    }
    lines.join("\n")
}

fn percentiles(of: WaitPercentiles) -> String {
    let took = |ms| took(Duration::from_millis(ms));
    format!("half within {}, 95 % within {}, 99 % within {}", took(of.p50_ms), took(of.p95_ms), took(of.p99_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_tasks_is_shown_as_zero() {
        let text = numbers(&TaskStats::default());
        assert!(text.starts_with("pending     0\nassigned    0\n"), "{text}");
    }
}
