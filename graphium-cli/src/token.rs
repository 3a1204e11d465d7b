//! `graphium token`.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use graphium_core::id::AgentId;
use graphium_core::store::paging;
use graphium_http::wire::{CreateToken, CreatedToken, Seconds, TokenRole, TokenView};

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Format, OutputArgs, Row, print_json, print_list};
use crate::settings::Settings;
use crate::task::age_of;

/// Tokens
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    Create(CreateArgs),
    /// Lists the tokens, without their secrets
    List {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Makes a token worthless at once
    Revoke {
        /// Its id, as `token list` shows it
        id: String,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
}

/// Makes a token and shows its secret, this once
///
/// Without --role it is a join token: one agent may join with it, once, within the hour.
#[derive(Debug, Args)]
struct CreateArgs {
    /// Whose it is or what it is for; it stands in the audit
    #[arg(long, default_value = "command line")]
    name: String,
    /// What it is good for
    #[arg(long, value_enum, default_value = "join")]
    role: Role,
    /// How long it is good: an hour for a join token, 90 days for others
    #[arg(long, value_parser = duration::parse, value_name = "TIME")]
    ttl: Option<Duration>,
    /// For a join token: only this agent may join with it
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// Print the secret alone, for scripts
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Lets one agent join, once
    Join,
    /// Reads
    Viewer,
    /// Deploys, submits, cancels
    User,
    /// Everything
    Admin,
}

impl From<Role> for TokenRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Join => Self::Join,
            Role::Viewer => Self::Viewer,
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

impl TokenArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        match self.command {
            TokenCommand::Create(args) => args.run(settings).await?,
            TokenCommand::List { connection, output } => {
                let api = connection.open(settings)?;
                let tokens = paging::all(|page| api.tokens(page)).await?;
                print_list(output.output, &tokens)?;
            }
            TokenCommand::Revoke { id, connection } => {
                connection.open(settings)?.revoke_token(&id).await?;
                writeln!(io::stdout(), "token {id} is revoked")?;
            }
        }
        Ok(Exit::Done)
    }
}

impl CreateArgs {
    async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let api = self.connection.open(settings)?;
        let wanted = CreateToken {
            name: self.name,
            role: self.role.into(),
            ttl_seconds: self.ttl.map(Seconds),
            agent_id: self.agent,
        };
        let created = api.create_token(&wanted).await?;
        match self.output.output {
            _ if self.quiet => Ok(writeln!(io::stdout(), "{}", created.token)?),
            Format::Json => print_json(&created),
            Format::Table => explain(&created, api.url()),
        }
    }
}

fn explain(created: &CreatedToken, server: &str) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", created.token)?;
    writeln!(out)?;
    writeln!(out, "This is the only time that it is shown. It is good until {}.", created.view.expires_at)?;
    if created.view.role == TokenRole::Join {
        let id = created.view.agent_id.as_ref().map_or("ID", AgentId::as_str);
        writeln!(out, "On the host that is to join, run:")?;
        writeln!(out, "  graphium agent --id {id} --server {server} --join-token {}", created.token)?;
    }
    Ok(())
}

impl Row for TokenView {
    const PLURAL: &'static str = "tokens";
    const HEADER: &'static [&'static str] = &["ID", "NAME", "ROLE", "AGENT", "AGE", "EXPIRES", "USED BY"];

    fn cells(&self) -> Vec<String> {
        let agent = |agent: &Option<AgentId>| agent.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        vec![
            self.id.clone(),
            self.name.clone(),
            if self.unreadable.is_some() { "-" } else { self.role.as_str() }.to_owned(),
            agent(&self.agent_id),
            age_of(self.created_at),
            self.expires_at.to_string().chars().take("2026-01-01T00:00".len()).collect::<String>().replace('T', " "),
            agent(&self.used_by),
        ]
    }
}
