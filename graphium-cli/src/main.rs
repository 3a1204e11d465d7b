//! The `graphium` binary: server, agent, demo and command line.
//!
//! Everything that decides is in `graphium-core`, everything on the wire in `graphium-http`; this crate reads
//! arguments, wires the parts together, and prints.

mod agent;
mod cli;
mod completions;
mod connection;
mod data_dir;
mod demo;
mod duration;
mod events;
mod exit;
mod host;
mod interrupt;
mod logging;
mod memory;
mod output;
mod retention;
mod server;
mod settings;
mod stack;
mod store;
mod task;
mod token;
mod version;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let verbose = cli.verbose;
    logging::start(cli.log_level());
    memory::take_small_pages();
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&connection::explained(error), verbose).into(),
    }
}
