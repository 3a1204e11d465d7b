//! The benches: one command that measures, prints tables, and writes `docs/benchmarks.md` with its plots.
//!
//! *Run with* `cargo run --release -p graphium-benches` (all parts), `… -- lives http` (some), `… -- --quick` (small sizes,
//! written to `target/benchmarks` and not to the documentation), or `… -- --render` (the document from the kept results).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]
#![expect(clippy::future_not_send, reason = "parts run one after the other, on the main thread")]

mod child;
mod cli;
mod finished;
mod ground;
mod life;
mod machine;
mod part;
mod parts;
mod peers;
mod plot;
mod process;
mod report;
mod results;
mod roles;
mod sample;
mod schedule;
mod server;
mod spread;
mod summary;
mod table;

use anyhow::Context;
use clap::Parser;
use mimalloc::MiMalloc;

use self::cli::{Cli, Command};
use self::part::{Part, Plan};
use self::results::Results;

/// The allocator of the `graphium` binary; like it, the benches take memory in small pages.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.role {
            Some(Command::Role(role)) => roles::play(role).await,
            None => bench(&cli).await,
        }
    })
}

async fn bench(cli: &Cli) -> anyhow::Result<()> {
    let parts = parts::chosen(&cli.parts)?;
    let out = cli.out();
    let mut results = Results::load(&out)?;
    if !cli.render {
        std::fs::create_dir_all(&cli.scratch)?;
        let scratch = tempfile::tempdir_in(&cli.scratch)?;
        let plan = Plan { size: cli.size(), scratch: scratch.path().to_owned() };
        results.machine = machine::look(scratch.path()).await?;
        for part in &parts {
            let samples = measure(part.as_ref(), &plan, cli.runs()).await.with_context(|| part.name().to_owned())?;
            println!("{}", table::markdown(&summary::of(&samples)));
            results.replace(part.name(), samples);
            results.quick = cli.quick;
            // A part takes minutes: what is measured is kept, whatever becomes of the next.
            results.save(&out)?;
        }
    }
    report::write(&out, &results, &parts::all())?;
    println!("written: {}", out.join(report::DOCUMENT).display());
    Ok(())
}

/// Runs every case of a part so many times, each time in another order.
async fn measure(part: &dyn Part, plan: &Plan, runs: usize) -> anyhow::Result<Vec<sample::Sample>> {
    let cases = part.cases(plan);
    let mut samples = Vec::new();
    for run in 0..part.runs(runs) {
        for position in order(cases.len(), run) {
            let case = &cases[position];
            eprintln!("{} · run {} · {}", part.name(), run + 1, case.label());
            let finding = part.run(plan, case).await.with_context(|| case.label())?;
            samples.push(sample::Sample { position, run, case: case.clone(), finding });
        }
    }
    Ok(samples)
}

/// The order of a run: forwards, backwards, forwards from the middle, and so on.
fn order(cases: usize, run: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..cases).collect();
    if cases > 0 {
        order.rotate_left((run / 2 * cases / 2) % cases);
    }
    if run % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_every_case_and_another_order() {
        let orders: Vec<_> = (0..3).map(|run| order(4, run)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
    }
}
