//! `graphium stack list` and `graphium stack status`.

use std::io::{self, Write};

use graphium_core::control::{HostInstances, StackSummary, StackView, Waiting};
use graphium_core::stack::{DeploymentStatus, Health, Instance, PublishedPort};
use graphium_core::store::{HostState, paging};
use graphium_http::client::Client;

use crate::output::{Format, Row, print_json, print_list, table};
use crate::task::age_of;

impl Row for StackSummary {
    const PLURAL: &'static str = "stacks";
    const HEADER: &'static [&'static str] = &["STACK", "STATUS", "GENERATION", "GOOD", "WAITING FOR"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.to_string(),
            self.status.to_string(),
            self.generation.to_string(),
            format!("{}/{}", self.good, self.wanted),
            self.unreadable.clone().unwrap_or_else(|| waiting_for(&self.waiting_for)),
        ]
    }
}

/// Prints every stack.
pub(super) async fn list(api: &Client, format: Format) -> anyhow::Result<()> {
    let stacks = paging::all(|page| api.stacks(page)).await?;
    print_list(format, &stacks)
}

/// Prints one stack.
pub(super) fn show(view: &StackView, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(view),
        Format::Table => Ok(writeln!(io::stdout(), "{}", text(view))?),
    }
}

fn text(view: &StackView) -> String {
    let summary = &view.summary;
    let mut lines = vec![
        format!("stack       {}", summary.name),
        format!("status      {}", summary.status),
        format!("generation  {} ({})", summary.generation, rollout(&view.rollout.status)),
        format!("good        {} of {}", summary.good, summary.wanted),
    ];
    if !summary.waiting_for.is_empty() {
        lines.push(format!("waits for   {}", waiting_for(&summary.waiting_for)));
    }
    lines.extend(view.rollout.warnings.iter().map(|warning| format!("warning     {warning}")));
    let rows: Vec<_> = view.observed.iter().flat_map(rows).collect();
    if rows.is_empty() {
        lines.push("\nNo host reports a container of it.".to_owned());
    } else {
        lines.push(format!(
            "\n{}",
            table(&["HOST", "CONTAINER", "STATE", "HEALTH", "RESTARTS", "PORTS", "IMAGE", "SEEN"], rows)
        ));
    }
    lines.join("\n")
}

fn rollout(status: &DeploymentStatus) -> String {
    match status {
        DeploymentStatus::Running => "under way".to_owned(),
        DeploymentStatus::Completed => "completed".to_owned(),
        DeploymentStatus::Failed { reason } => format!("failed: {reason}"),
        DeploymentStatus::Superseded => "superseded".to_owned(),
        DeploymentStatus::Cancelled => "cancelled".to_owned(),
    }
}

fn rows(host: &HostInstances) -> impl Iterator<Item = Vec<String>> {
    host.instances.iter().map(|instance| {
        let container = match instance.slot.0 {
            0 => instance.container.to_string(),
            slot => format!("{}/{slot}", instance.container),
        };
        vec![
            host.host.to_string(),
            container,
            state(host.state, instance),
            health(instance.health).to_owned(),
            instance.restart_count.to_string(),
            instance.ports.iter().map(port).collect::<Vec<_>>().join(" "),
            instance.image.clone(),
            host.observed_at.map(age_of).unwrap_or_default(),
        ]
    })
}

/// What is known of an instance on a silent host is what it was, not what it is.
fn state(host: HostState, instance: &Instance) -> String {
    match host {
        HostState::Ready => instance.state.to_string(),
        HostState::Unknown | HostState::Down => format!("unknown (was {}; host {host})", instance.state),
    }
}

const fn health(health: Health) -> &'static str {
    match health {
        Health::None => "-",
        Health::Starting => "starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}

fn port(port: &PublishedPort) -> String {
    let address = if port.host_ip.contains(':') { format!("[{}]", port.host_ip) } else { port.host_ip.clone() };
    format!("{address}:{}->{}/{}", port.host_port, port.container_port, port.protocol)
}

/// Hosts that something waits for: `vm1 (down, 2 tasks)`.
pub(super) fn waiting_for(hosts: &[Waiting]) -> String {
    let one = |waiting: &Waiting| {
        let state = waiting.state.map_or_else(|| "never seen".to_owned(), |state| state.to_string());
        let tasks = if waiting.open_tasks == 1 { "task" } else { "tasks" };
        format!("{} ({state}, {} {tasks})", waiting.host, waiting.open_tasks)
    };
    hosts.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphium_core::id::AgentId;

    #[test]
    fn a_host_that_is_waited_for_is_named_with_its_state() {
        let waiting = Waiting { host: AgentId::new("vm1").unwrap(), state: Some(HostState::Down), open_tasks: 1 };
        assert_eq!(waiting_for(&[waiting]), "vm1 (down, 1 task)");
    }
}
