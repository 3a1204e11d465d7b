//! What the command line says.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::part::Size;
use crate::roles::Role;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Runs of each case: the median and the spread of them are shown.
const RUNS: usize = 3;

/// Measures, and writes docs/benchmarks.md.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Which parts; all when none is named.
    pub(crate) parts: Vec<String>,
    /// Small sizes and one run each; written to target/benchmarks.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures nothing: writes the document from the results that are kept.
    #[arg(long)]
    pub(crate) render: bool,
    /// How often each case is run.
    #[arg(long)]
    runs: Option<usize>,
    /// The folder of the document.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The folder for databases; it must be on the disk that is to be measured.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/benchmarks/scratch"))]
    pub(crate) scratch: PathBuf,
    #[command(subcommand)]
    pub(crate) role: Option<Command>,
}

/// What the benches start themselves as.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A process of a bench: not for people.
    #[command(hide = true, subcommand)]
    Role(Role),
}

impl Cli {
    pub(crate) fn size(&self) -> Size {
        if self.quick { Size::Quick } else { Size::Full }
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.unwrap_or(if self.quick { 1 } else { RUNS })
    }

    pub(crate) fn out(&self) -> PathBuf {
        let default = if self.quick { "target/benchmarks" } else { "docs" };
        self.out.clone().unwrap_or_else(|| PathBuf::from(ROOT).join(default))
    }
}
