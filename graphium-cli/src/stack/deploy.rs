//! `graphium stack deploy`.

use std::io::{self, Write};

use clap::Args;

use super::{SourceArgs, WaitArgs, act, definition, plan};
use crate::connection::ConnectionArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::output::OutputArgs;
use crate::settings::Settings;

/// Deploys a stack and waits for the outcome on every host
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 conflict or superseded, 6 the plan has
/// changes (with --plan), 130 interrupted (the deployment goes on).
#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    wait: WaitArgs,
    /// Show what would be done and why, and change nothing
    #[arg(long, visible_alias = "dry-run", conflicts_with_all = ["detach", "timeout", "plan_hash"])]
    plan: bool,
    /// Only if the plan is still this one
    #[arg(long, value_name = "HASH")]
    plan_hash: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl DeployArgs {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let definition = definition::read(&self.source)?;
        // Checked here too: what is wrong is told with the lines of the file.
        let parsed = definition.parse()?;
        for warning in parsed.warnings {
            writeln!(io::stderr(), "warning: {warning}")?;
        }
        let (name, text) = (&parsed.spec.name, &definition.text);
        let api = self.connection.open(settings)?;
        if self.plan {
            return plan::show(&api.plan_stack(name, text).await?, self.output.output);
        }
        let mut interrupts = Interrupts::listen()?;
        let call = api.apply_stack(name, text, self.plan_hash.as_deref());
        let accepted = act::asked(&mut interrupts, name, call).await?;
        act::follow(&api, &accepted, self.wait, self.output.output, &mut interrupts).await
    }
}
