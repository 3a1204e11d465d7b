//! `graphium task submit`.

use std::io::{self, Read, Write};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use graphium_core::id::{AgentId, ContainerName, StackName, TaskId};
use graphium_core::task::{IdempotencyKey, Priority, TaskStatus, TaskType, TaskView};
use graphium_http::client::Client;
use graphium_http::wire::{Seconds, SubmitTask};
use serde_json::Value;

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::output::{Format, OutputArgs, print_json};
use crate::settings::Settings;

/// Between two looks at a task that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Puts a task into the queue of a host
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// The host whose agent does it
    #[arg(long, alias = "agent", value_name = "ID")]
    host: AgentId,
    /// The kind of work: deploy, delete, stop, start, restart, update, or one that the agent knows
    #[arg(long = "type", value_name = "TYPE")]
    task_type: TaskType,
    /// What it needs to know, as JSON; @FILE reads a file, - the standard input
    #[arg(long, default_value = "null", value_name = "JSON")]
    payload: String,
    /// The stack it serves
    #[arg(long)]
    stack: Option<StackName>,
    /// The container it serves
    #[arg(long)]
    container: Option<ContainerName>,
    /// Its urgency, 0 to 10
    #[arg(long, value_name = "NUMBER")]
    priority: Option<u8>,
    /// How many further attempts a failure that may pass gets
    #[arg(long, value_name = "NUMBER")]
    max_retries: Option<u32>,
    /// The deadline of an attempt
    #[arg(long, value_parser = duration::parse, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Tasks that must be completed first
    #[arg(long, value_name = "ID")]
    after: Vec<TaskId>,
    /// Your own name for this submit: the same key and task again has no second effect
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Wait for its end: 0 when it is completed, 1 when not
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl SubmitArgs {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let payload = payload(&self.payload)?;
        let priority =
            self.priority.map(Priority::new).transpose().map_err(|error| Failure::usage(error.to_string()))?;
        let key = self.key.map(IdempotencyKey::new).transpose().map_err(|error| Failure::usage(error.to_string()))?;
        let task = SubmitTask {
            stack_id: self.stack,
            container_id: self.container,
            priority,
            payload,
            max_retries: self.max_retries,
            timeout_seconds: self.timeout.map(Seconds),
            depends_on: self.after,
            idempotency_key: key,
            ..SubmitTask::new(self.host, self.task_type)
        };
        let api = self.connection.open(settings)?;
        let mut task = api.submit(&task).await?;
        if self.wait {
            task = settled(&api, task.id).await?;
        }
        match self.output.output {
            Format::Json => print_json(&task)?,
            Format::Table => writeln!(io::stdout(), "task {} is {}", task.id, task.status)?,
        }
        Ok(if self.wait && task.status != TaskStatus::Completed { Exit::Failed } else { Exit::Done })
    }
}

/// Waits for the end of a task.
async fn settled(api: &Client, id: TaskId) -> anyhow::Result<TaskView> {
    loop {
        let task = api.task(id).await?;
        if task.status.is_settled() {
            return Ok(task);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn payload(text: &str) -> anyhow::Result<Value> {
    let read = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("cannot read the payload from {file}"))?,
        None if text == "-" => {
            let mut input = String::new();
            io::stdin().read_to_string(&mut input).context("cannot read the payload from the standard input")?;
            input
        }
        None => text.to_owned(),
    };
    serde_json::from_str(&read)
        .map_err(|error| Failure::usage(format!("the payload is not JSON: {error}")).caused_by(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_not_json_is_refused_with_its_place() {
        let error = payload("{\"a\": }").unwrap_err();
        assert!(error.to_string().contains("column 7"), "{error}");
    }

    #[test]
    fn a_payload_file_that_is_missing_is_named() {
        let error = payload("@/nonexistent.json").unwrap_err();
        assert!(error.to_string().contains("/nonexistent.json"), "{error}");
    }
}
