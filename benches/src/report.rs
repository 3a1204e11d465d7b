//! The document: what is to be reached, the machine, and a chapter for each part.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::machine::Machine;
use crate::part::{Part, Target};
use crate::results::Results;
use crate::sample::Unit;
use crate::{plot, summary, table};

/// The name of the document in its folder.
pub(crate) const DOCUMENT: &str = "benchmarks.md";
/// The folder of its plots.
const PLOTS: &str = "benchmarks";
const COMMAND: &str = "cargo run --release -p graphium-benches";

/// Writes the document and its plots into this folder.
pub(crate) fn write(folder: &Path, results: &Results, parts: &[Box<dyn Part>]) -> anyhow::Result<()> {
    let (mut chapters, mut targets) = (String::new(), Vec::new());
    for part in parts {
        let Some(samples) = results.parts.get(part.name()) else { continue };
        let summary = summary::of(samples);
        targets.extend(part.targets(&summary));
        write!(chapters, "\n## {}\n\n{}\n\n{}", part.title(), part.about(), table::markdown(&summary))?;
        let remarks = part.remarks();
        if !remarks.is_empty() {
            write!(chapters, "\n{remarks}\n")?;
        }
        for plot in part.plots() {
            if plot::draw(&plot, &summary, &folder.join(PLOTS))? {
                write!(chapters, "\n![{}]({PLOTS}/{}.svg)\n", plot.title, plot.file)?;
            }
        }
    }
    let text = format!("{}{}{chapters}", head(results), reached(&targets));
    let path = folder.join(DOCUMENT);
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

fn head(results: &Results) -> String {
    let Machine { cores, processor, memory_bytes, kernel, sqlite, fdatasync_p50_ms, fdatasync_p99_ms, .. } =
        &results.machine;
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory, far below 2^52")]
    let memory = Unit::Bytes.write(*memory_bytes as f64);
    let sync = [*fdatasync_p50_ms, *fdatasync_p99_ms].map(|value| Unit::Millis.write(value));
    let quick = if results.quick {
        "\n**Small sizes were used: these figures show that the benches work, and nothing else.**\n"
    } else {
        ""
    };
    format!(
        "# Benchmarks\n\nWritten by `{COMMAND}`; do not edit. The raw results are in \
         [results.json](benchmarks/results.json), and `{COMMAND} -- --render` writes this page from them.\n{quick}\n\
         A figure is the median of its runs, followed by the least and the most of them. Each run has fresh files, and the \
         order of the cases differs from run to run. Clients and servers share the cores of one machine.\n\n\
         | machine | |\n| --- | --- |\n| cores | {cores} × {processor} |\n| memory | {memory} |\n| kernel | Linux {kernel} |\n\
         | SQLite of the store | {sqlite}, WAL, `synchronous=FULL` |\n\
         | 4 KiB appended with `fdatasync` | p50 {}, p99 {} |\n",
        sync[0], sync[1]
    )
}

/// What is to be reached, with what was.
fn reached(targets: &[Target]) -> String {
    if targets.is_empty() {
        return String::new();
    }
    let header = ["figure", "to reach", "reached", ""].map(str::to_owned);
    let rows = targets.iter().map(|target| {
        let unit = target.reached.unit;
        let sign = if target.at_least { "≥" } else { "≤" };
        let verdict = if target.is_reached() { "✔" } else { "**missed**" };
        let wanted = format!("{sign} {}", unit.write(target.wanted));
        vec![target.what.clone(), wanted, unit.write(target.reached.value), verdict.into()]
    });
    format!("\n## What is to be reached\n\n{}", table::grid(&header, 1, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Figure, Sample};

    #[test]
    fn a_document_is_the_same_when_it_is_rendered_from_the_kept_results() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results { quick: true, ..Results::default() };
        let parts = crate::parts::all();
        for part in &parts {
            let plan = crate::part::Plan { size: crate::part::Size::Quick, scratch: folder.path().to_owned() };
            let samples = part.cases(&plan).into_iter().enumerate().map(|(position, case)| {
                let names = part.plots().into_iter().flat_map(|plot| plot.figures).copied().collect::<Vec<_>>();
                let figures = names.into_iter().map(|name| Figure::new(name, Unit::Millis, 1.5)).collect::<Vec<_>>();
                Sample { position, run: 0, case, finding: figures.into() }
            });
            results.replace(part.name(), samples.collect());
        }
        results.save(folder.path()).unwrap();
        write(folder.path(), &results, &parts).unwrap();
        let path = folder.path().join(DOCUMENT);
        let first = std::fs::read_to_string(&path).unwrap();
        for part in &parts {
            assert!(first.contains(part.title()) && first.contains(part.about()), "{}", part.name());
            for plot in part.plots() {
                assert!(first.contains(&format!("({PLOTS}/{}.svg)", plot.file)), "{}", plot.file);
                assert!(folder.path().join(PLOTS).join(format!("{}.svg", plot.file)).exists());
            }
        }

        let kept = Results::load(folder.path()).unwrap();
        assert_eq!(kept, results);
        write(folder.path(), &kept, &parts).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    }

    #[test]
    fn a_target_that_is_missed_is_called_missed() {
        let figure = |value| Figure::new("lives/s", Unit::PerSecond, value);
        let targets = [Target::at_least("lives/s", 10.0, figure(11.0)), Target::at_most("lives/s", 10.0, figure(11.0))];
        let text = reached(&targets);
        assert!(text.contains("| lives/s | ≥ 10 | 11 | ✔ |\n| lives/s | ≤ 10 | 11 | **missed** |"), "{text}");
    }
}
