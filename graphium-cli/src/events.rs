//! `graphium events`.

use std::io::{self, Write};

use clap::Args;
use graphium_core::event::Event;
use graphium_core::id::{AgentId, Seq, StackName, TaskId};
use graphium_core::store::EventFilter;
use serde_json::Value;

use crate::connection::ConnectionArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::output::{Format, OutputArgs};
use crate::settings::Settings;

/// Follows the event log: what happens, and with --after what happened
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only these types: task_updated, stack_deployed, host_updated …
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Only about this stack
    #[arg(long)]
    stack: Option<StackName>,
    /// Only about this task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Only about this host
    #[arg(long, alias = "agent", value_name = "ID")]
    host: Option<AgentId>,
    /// Begin after this event; 0 is the beginning of the log
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// End after so many
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl EventsArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let kinds = self.types.iter().map(|name| event_type(name)).collect::<Result<_, _>>()?;
        let filter =
            EventFilter { kinds, task: self.task, stack: self.stack, agent: self.host, ..EventFilter::default() };
        let api = self.connection.open(settings)?;
        let mut feed = api.events(filter, self.after.map(Seq));
        // A server that is not there at the start is not waited for.
        feed.connect().await?;
        let mut interrupts = Interrupts::listen()?;
        let mut left = self.count;
        while left != Some(0) {
            let Some(event) = interrupts.or(feed.next()).await else { return Ok(Exit::Interrupted) };
            let event = event?;
            match self.output.output {
                Format::Json => writeln!(io::stdout(), "{}", serde_json::to_string(&event)?)?,
                Format::Table => writeln!(io::stdout(), "{}", line(&event))?,
            }
            left = left.map(|left| left - 1);
        }
        Ok(Exit::Done)
    }
}

fn event_type(name: &str) -> Result<graphium_core::event::EventType, Failure> {
    serde_json::from_value(Value::from(name)).map_err(|_| {
        Failure::usage(format!("there are no events of type {name:?}"))
            .advice("types are task_created, task_updated, task_progress, stack_…, container_… and host_…")
    })
}

fn line(event: &Event) -> String {
    let kind = serde_json::to_value(event.kind).unwrap_or_default();
    let time = event.timestamp.to_string();
    let mut about = Vec::new();
    about.extend(event.stack_id.as_ref().map(|stack| format!("stack={stack}")));
    about.extend(event.agent_id.as_ref().map(|host| format!("host={host}")));
    about.extend(event.task_id.map(|task| format!("task={task}")));
    about.extend(details(&event.data));
    format!("{:<8} {time} {:<18} {}  by {}", event.seq, kind.as_str().unwrap_or_default(), about.join(" "), event.actor)
}

/// The plain values of an event's details; the whole of them is in the JSON form.
fn details(data: &Value) -> Vec<String> {
    let Some(fields) = data.as_object() else { return Vec::new() };
    fields
        .iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some(format!("{name}={text}")),
            Value::Number(_) | Value::Bool(_) => Some(format!("{name}={value}")),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphium_core::clock::Timestamp;
    use graphium_core::event::EventType;

    #[test]
    fn an_event_is_one_line_with_what_it_is_about() {
        let event = Event {
            seq: Seq(7),
            kind: EventType::StackDeployed,
            timestamp: Timestamp::EPOCH,
            task_id: None,
            stack_id: Some("shop".parse().unwrap()),
            agent_id: None,
            actor: "server".to_owned(),
            data: serde_json::json!({ "generation": 3, "hosts": ["vm1"] }),
        };
        assert_eq!(
            line(&event),
            "7        1970-01-01T00:00:00.000000Z stack_deployed     stack=shop generation=3  by server"
        );
    }

    #[test]
    fn an_unknown_event_type_is_refused_by_name() {
        assert!(event_type("task_updated").is_ok());
        assert!(event_type("task_upated").unwrap_err().to_string().contains("task_upated"));
    }
}
