//! `graphium stack stop|start|restart|remove`, and the waiting that they share with `deploy`.

use std::io::{self, Write};

use clap::Args;
use graphium_core::id::StackName;
use graphium_core::stack::{Deployment, DeploymentAction};
use graphium_http::client::{Client, ClientError};

use super::WaitArgs;
use super::board::Board;
use super::follow::Follow;
use crate::connection::ConnectionArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::output::{Format, OutputArgs, print_json};
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct ActArgs {
    /// The stack
    name: StackName,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Removes a stack from every host, then forgets it
///
/// Its named volumes stay unless --volumes is given.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    act: ActArgs,
    /// Remove its named volumes and what is in them, too
    #[arg(long)]
    volumes: bool,
}

impl ActArgs {
    pub(super) async fn run(self, settings: Settings, action: DeploymentAction) -> anyhow::Result<Exit> {
        let api = self.connection.open(settings)?;
        let mut interrupts = Interrupts::listen()?;
        let deployment = asked(&mut interrupts, &self.name, api.act_on_stack(&self.name, action)).await?;
        follow(&api, &deployment, self.wait, self.output.output, &mut interrupts).await
    }
}

impl RemoveArgs {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let api = self.act.connection.open(settings)?;
        let mut interrupts = Interrupts::listen()?;
        let call = api.delete_stack(&self.act.name, self.volumes);
        let deployment = asked(&mut interrupts, &self.act.name, call).await?;
        follow(&api, &deployment, self.act.wait, self.act.output.output, &mut interrupts).await
    }
}

/// The answer to a call that changes something. Interrupted, nobody here knows whether it did.
pub(super) async fn asked(
    interrupts: &mut Interrupts,
    stack: &StackName,
    call: impl Future<Output = Result<Deployment, ClientError>>,
) -> anyhow::Result<Deployment> {
    match interrupts.or(call).await {
        Some(answer) => Ok(answer?),
        None => Err(Failure::new(Exit::Interrupted, "interrupted before the server answered: it may have accepted it")
            .advice(format!("see with `graphium stack status {stack}`"))
            .into()),
    }
}

/// Waits for the end of an accepted deployment, unless nobody wants to.
pub(super) async fn follow(
    api: &Client,
    accepted: &Deployment,
    wait: WaitArgs,
    format: Format,
    interrupts: &mut Interrupts,
) -> anyhow::Result<Exit> {
    let (stack, generation) = (&accepted.stack, accepted.generation);
    if wait.detach {
        match format {
            Format::Json => print_json(accepted)?,
            Format::Table => writeln!(
                io::stdout(),
                "stack {stack}: generation {generation} is accepted; follow it with `graphium stack status {stack} --follow`"
            )?,
        }
        return Ok(Exit::Done);
    }
    let follow = Follow { api, stack: stack.clone(), generation, patience: wait.timeout };
    let mut board = Board::new(format == Format::Json);
    board.say(format_args!("stack {stack}: generation {generation}"))?;
    for warning in &accepted.warnings {
        board.say(format_args!("  warning    {warning}"))?;
    }
    let end = follow.run(&mut board, interrupts).await?;
    if let (Format::Json, Some(deployment)) = (format, end.deployment()) {
        print_json(deployment)?;
    }
    let line = end.verdict(&follow, accepted.action)?;
    if format == Format::Table {
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(Exit::Done)
}
