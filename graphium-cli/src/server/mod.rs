//! `graphium server`.

mod running;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use graphium_core::store::{Restored, StoreSettings};
use graphium_http::server::TlsFiles;

use crate::data_dir::data_dir;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::retention::{RetentionArgs, retention};
use crate::settings::Settings;
use crate::store;

pub(crate) use running::{DATABASE, RunningServer, ServerPlan, make_folder};

/// Where a server listens when nothing is said.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8095);

/// Runs the server: the queue, the rollouts and the HTTP surface
///
/// The first start makes the installation in the data folder and writes an admin token there that only you can
/// read. SIGINT or SIGTERM stops it gracefully, a second one at once; nothing that was acknowledged is lost.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:8095]; beyond loopback TLS is required; port 0 takes a free one
    #[arg(long, env = "GRAPHIUM_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where to keep what must last [default: /var/lib/graphium for root, else ~/.local/state/graphium]
    #[arg(long, env = "GRAPHIUM_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The PostgreSQL database that several servers share, as postgres://user:password@host/name [default: a SQLite file in the
    /// data folder]
    #[arg(long, env = "GRAPHIUM_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// The certificate, and those that lead to its root, as PEM
    #[arg(long, env = "GRAPHIUM_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, env = "GRAPHIUM_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How long an agent may be silent before its work is given away [default: 30s]
    #[arg(long, env = "GRAPHIUM_LEASE", value_parser = duration::parse, value_name = "TIME")]
    lease: Option<Duration>,
    /// How long after that a host counts as down [default: 60s]
    #[arg(long, env = "GRAPHIUM_DOWN_AFTER", value_parser = duration::parse, value_name = "TIME")]
    down_after: Option<Duration>,
    #[command(flatten)]
    retention: RetentionArgs,
    /// Print the settings as a settings file, with secrets masked, and end
    #[arg(long)]
    print_config: bool,
}

impl ServerArgs {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<Exit> {
        let print = self.print_config;
        let settings = self.over(settings)?;
        if print {
            write!(io::stdout(), "{}", settings.to_toml()?)?;
            return Ok(Exit::Done);
        }
        let mut interrupts = Interrupts::listen()?;
        let mut server = RunningServer::start(plan(&settings)?).await?;
        // A server serves whether or not somebody reads what it prints.
        let restored = server.restored().await.unwrap_or_else(|error| {
            tracing::warn!(error = &*error as &dyn std::error::Error, "the store does not say whether it is held");
            None
        });
        drop(announce(&server, restored.as_ref()));
        if let Some(broken) = interrupts.or(server.broken()).await {
            tracing::error!(error = &*broken as &dyn std::error::Error, "stopping: a part of the server broke");
            if let Some(Err(error)) = interrupts.or(server.stop()).await {
                tracing::warn!(error = &*error as &dyn std::error::Error, "the server did not stop as it should");
            }
            return Err(broken);
        }
        tracing::info!("stopping: what is in flight may finish; once more ends it at once");
        match interrupts.or(server.stop()).await {
            Some(stopped) => stopped.map(|()| Exit::Done),
            None => Ok(Exit::Interrupted),
        }
    }

    /// The settings in force: flags and variables over the file over the defaults.
    fn over(self, mut settings: Settings) -> anyhow::Result<Settings> {
        let defaults = StoreSettings::default();
        let file = &mut settings.server;
        settings.data_dir = Some(data_dir(self.data_dir.or(settings.data_dir.take()))?);
        file.listen = self.listen.or(file.listen).or(Some(DEFAULT_LISTEN));
        file.database = self.database.or(file.database.take());
        file.tls_cert = self.tls_cert.or(file.tls_cert.take());
        file.tls_key = self.tls_key.or(file.tls_key.take());
        file.lease = self.lease.or(file.lease).or(Some(defaults.lease));
        self.retention.over(file);
        file.down_after = self.down_after.or(file.down_after).or(Some(defaults.down_after));
        Ok(settings)
    }
}

fn plan(settings: &Settings) -> anyhow::Result<ServerPlan> {
    let server = &settings.server;
    let tls = match (&server.tls_cert, &server.tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.clone(), key: key.clone() }),
        (None, None) => None,
        (Some(_), None) => return Err(Failure::usage("--tls-cert without --tls-key").into()),
        (None, Some(_)) => return Err(Failure::usage("--tls-key without --tls-cert").into()),
    };
    let defaults = StoreSettings::default();
    Ok(ServerPlan {
        listen: server.listen.unwrap_or(DEFAULT_LISTEN),
        data_dir: data_dir(settings.data_dir.clone())?,
        database: server.database.clone(),
        tls,
        store: StoreSettings {
            lease: server.lease.unwrap_or(defaults.lease),
            down_after: server.down_after.unwrap_or(defaults.down_after),
            retention: retention(server),
            ..defaults
        },
    })
}

/// What whoever started it wants to know.
fn announce(server: &RunningServer, restored: Option<&Restored>) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "server       {}", server.url())?;
    writeln!(out, "data         {}", server.data_dir().display())?;
    if server.token_file().exists() {
        writeln!(out, "admin token  {}", server.token_file().display())?;
    } else {
        writeln!(out, "admin token  in the data folder of the server that made the installation")?;
    }
    writeln!(out, "next         graphium token create{}   # makes the command that lets a host join", options(server))?;
    if let Some(restored) = restored {
        store::announce(&mut out, restored, &options(server))?;
    }
    out.flush()
}

/// The options by which a command on this machine finds the server; none where it looks anyway.
fn options(server: &RunningServer) -> String {
    let mut options = String::new();
    if server.url() != format!("http://{DEFAULT_LISTEN}") {
        options += &format!(" --server {}", server.url());
    }
    if data_dir(None).ok().as_deref() != Some(server.data_dir()) && server.token_file().exists() {
        options += &format!(" --token-file {}", server.token_file().display());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        args: ServerArgs,
    }

    fn args(text: &[&str]) -> ServerArgs {
        Only::parse_from([&["graphium"], text].concat()).args
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let mut file = Settings::default();
        file.server.lease = Some(Duration::from_secs(10));
        file.server.down_after = Some(Duration::from_secs(20));
        let settings = args(&["--lease", "5s", "--data-dir", "/srv"]).over(file).unwrap();
        assert_eq!(settings.server.lease, Some(Duration::from_secs(5)));
        assert_eq!(settings.server.down_after, Some(Duration::from_secs(20)));
        assert_eq!(settings.server.listen, Some(DEFAULT_LISTEN));
    }

    #[test]
    fn a_certificate_without_its_key_is_a_usage_error() {
        let settings = args(&["--tls-cert", "cert.pem", "--data-dir", "/srv"]).over(Settings::default()).unwrap();
        assert!(plan(&settings).unwrap_err().to_string().contains("--tls-key"));
    }
}
