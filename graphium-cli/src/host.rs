//! `graphium host`.

use clap::{Args, Subcommand};
use graphium_core::store::paging;
use graphium_http::wire::HostSummary;

use crate::connection::ConnectionArgs;
use crate::exit::Exit;
use crate::output::{OutputArgs, Row, print_list};
use crate::settings::Settings;
use crate::task::age_of;

/// The hosts
#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    #[command(subcommand)]
    command: HostCommand,
}

#[derive(Debug, Subcommand)]
enum HostCommand {
    /// Lists the hosts as their agents report them
    List {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

impl HostArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        match self.command {
            HostCommand::List { connection, output } => {
                let api = connection.open(settings)?;
                let hosts = paging::all(|page| api.hosts(page)).await?;
                print_list(output.output, &hosts)?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Row for HostSummary {
    const PLURAL: &'static str = "hosts: no agent has joined yet; make a token with `graphium token create`";
    const HEADER: &'static [&'static str] = &["HOST", "STATE", "ENGINE", "CPUS", "MEMORY", "INSTANCES", "LAST SEEN"];

    fn cells(&self) -> Vec<String> {
        let engine = self.engine.as_ref();
        let unknown = || "-".to_owned();
        vec![
            self.id.to_string(),
            self.state.to_string(),
            engine.map_or_else(unknown, |engine| format!("{} {}", engine.name, engine.version)),
            engine.map_or_else(unknown, |engine| cpus(engine.capacity.cpu_millis)),
            engine.map_or_else(unknown, |engine| gibibytes(engine.capacity.memory_bytes)),
            self.instance_count.to_string(),
            age_of(self.last_seen_at),
        ]
    }
}

fn cpus(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{:.1}", millis as f64 / 1000.0) }
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_reads_well() {
        assert_eq!(cpus(2000), "2");
        assert_eq!(cpus(1500), "1.5");
        assert_eq!(gibibytes(8 << 30), "8.0 GiB");
    }
}
