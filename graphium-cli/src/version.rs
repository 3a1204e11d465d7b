//! `graphium version`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{Format, OutputArgs, print_json};

/// Prints the version
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    os: &'static str,
    architecture: &'static str,
}

impl VersionArgs {
    pub(crate) fn run(&self) -> anyhow::Result<Exit> {
        let version = Version {
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
        };
        match self.output.output {
            Format::Json => print_json(&version)?,
            Format::Table => {
                writeln!(io::stdout(), "graphium {} ({} {})", version.version, version.os, version.architecture)?;
            }
        }
        Ok(Exit::Done)
    }
}
