//! `graphium store status` and `confirm`: what a restored store and the hosts do not agree about.

use std::io::{self, Write};

use clap::Args;
use graphium_core::control::Difference;
use graphium_core::store::Restored;
use graphium_http::client::Client;
use graphium_http::wire::{DifferenceView, RestoreView};

use crate::connection::ConnectionArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Format, OutputArgs, Row, print_json, table};
use crate::settings::Settings;
use crate::task::age_of;

/// Lets a store that was restored from a backup go on
///
/// Nothing is removed from a host by that. Deployments that the backup had under way are cancelled, and the next generation of
/// a stack is above every one that a host has. A store that is not held is left as it is.
#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    /// Confirm; without it what differs is shown and nothing changes
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Prints whether the store is held, and what differs.
pub(super) async fn status(api: &Client, format: Format) -> anyhow::Result<Exit> {
    let view = api.restore().await?;
    match format {
        Format::Json => print_json(&view)?,
        Format::Table => {
            writeln!(io::stdout(), "{}", shown(&view))?;
            if view.held {
                writeln!(io::stdout(), "\nNo work is given or taken until you say: graphium store confirm --yes")?;
            }
        }
    }
    Ok(Exit::Done)
}

impl ConfirmArgs {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let api = self.connection.open(settings)?;
        let before = api.restore().await?;
        let people = self.output.output == Format::Table;
        if before.held && people {
            writeln!(io::stdout(), "{}", shown(&before))?;
        }
        if before.held && !self.yes {
            return Err(Failure::usage("nothing is confirmed yet, and nothing has changed")
                .advice("when you have looked at what differs: graphium store confirm --yes")
                .into());
        }
        let after = if before.held { api.confirm_restore().await? } else { before.clone() };
        match (people, before.held) {
            (false, _) => print_json(&after)?,
            (true, true) => writeln!(io::stdout(), "\nThe restore is confirmed: work is given and taken again.")?,
            (true, false) => writeln!(io::stdout(), "The store is not held: there is nothing to confirm.")?,
        }
        Ok(Exit::Done)
    }
}

/// What whoever starts a server with a held store must know. `options` are those by which commands find it.
pub(crate) fn announce(out: &mut impl Write, restored: &Restored, options: &str) -> io::Result<()> {
    let Restored { restored_at, backup_at, .. } = restored;
    writeln!(out, "held         since {restored_at}: the store was restored from a backup that ends at {backup_at}.")?;
    writeln!(
        out,
        "             Agents report what runs; no work is given or taken until you have looked and confirmed:"
    )?;
    writeln!(out, "             graphium store status{options}")?;
    writeln!(out, "             graphium store confirm --yes{options}")
}

fn shown(view: &RestoreView) -> String {
    let mut lines = Vec::new();
    match &view.restored {
        Some(restored) => {
            let Restored { restored_at, backup_at, .. } = restored;
            lines.push(format!("store    held since {restored_at} ({} ago)", age_of(*restored_at)));
            lines.push(format!("backup   ends at {backup_at}; the store knows nothing of what came after"));
        }
        None => lines.push("store    not held".to_owned()),
    }
    lines.push(format!("restores {}", view.epoch));
    if !view.differences.is_empty() {
        lines.push(String::new());
        lines.push(table(DifferenceView::HEADER, view.differences.iter().map(Row::cells)));
    } else if view.held {
        lines.push("\nThe hosts have what the store knows.".to_owned());
    }
    lines.join("\n")
}

impl Row for DifferenceView {
    const PLURAL: &'static str = "differences";
    const HEADER: &'static [&'static str] = &["DIFFERENCE", "WHAT, AND WHAT TO DO"];

    fn cells(&self) -> Vec<String> {
        let kind = match self.difference {
            Difference::UnknownStack { .. } => "unknown stack",
            Difference::NewerInstance { .. } => "newer instance",
            Difference::Missing { .. } => "missing",
            Difference::NotSeen { .. } => "not seen",
            Difference::Unreadable { .. } => "unreadable",
        };
        vec![kind.to_owned(), self.detail.clone()]
    }
}

#[cfg(test)]
mod tests {
    use graphium_core::clock::Timestamp;
    use graphium_core::id::{AgentId, Seq};
    use graphium_core::store::StoreStatus;

    use super::*;

    fn held(differences: Vec<Difference>) -> RestoreView {
        let at = Timestamp::from_micros(1);
        let restored = Some(Restored { backup_at: at, restored_at: at, last_event: Seq(1) });
        RestoreView::new(&StoreStatus { epoch: 1, restored }, differences)
    }

    #[test]
    fn a_held_store_is_shown_with_each_difference_and_what_to_do() {
        let text = shown(&held(vec![Difference::NotSeen { host: AgentId::new("vm1").unwrap() }]));
        assert!(text.contains("held since 1970") && text.contains("not seen") && text.contains("vm1"), "{text}");
        assert!(shown(&held(Vec::new())).contains("have what the store knows"));
    }

    #[test]
    fn a_store_that_works_is_shown_as_one() {
        let text = shown(&RestoreView::new(&StoreStatus::default(), Vec::new()));
        assert_eq!(text, "store    not held\nrestores 0");
    }

    #[test]
    fn a_server_says_at_its_start_which_two_commands_help() {
        let mut out = Vec::new();
        announce(&mut out, &held(Vec::new()).restored.unwrap(), " --server http://127.0.0.1:1").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("graphium store status --server http://127.0.0.1:1\n"), "{text}");
        assert!(text.ends_with("graphium store confirm --yes --server http://127.0.0.1:1\n"), "{text}");
    }
}
