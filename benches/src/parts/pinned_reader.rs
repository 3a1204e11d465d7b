//! What a reader costs that never lets go of what it reads.

use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use serde::Deserialize;

use crate::child::Child;
use crate::ground::Ground;
use crate::life;
use crate::part::{Part, Plan};
use crate::peers::python;
use crate::plot::{By, Plot};
use crate::sample::{Case, Figure, Finding, Unit};

const CALLERS: usize = 64;
const RATE: &str = "lives/s";
const PINNED: &str = "pinned";

/// Lives beside a reader that holds its transaction open.
pub(crate) struct PinnedReader;

/// What the reader says once it is there.
#[derive(Debug, Deserialize)]
struct Holds {
    tables: u32,
}

#[async_trait(?Send)]
impl Part for PinnedReader {
    fn name(&self) -> &'static str {
        "pinned-reader"
    }

    fn title(&self) -> &'static str {
        "Beside a reader that never lets go"
    }

    fn about(&self) -> &'static str {
        "64 callers live lives on SQLite while another process holds one read transaction open from the start. Nothing that was \
         written since can go from the log into the database meanwhile, so the log grows with the work. *Log* is the size of \
         the file `-wal` at the end, *after* its size once the reader has gone and as much work again was done."
    }

    fn cases(&self, _: &Plan) -> Vec<Case> {
        ["none", PINNED].map(|reader| Case::default().with("reader", reader)).into()
    }

    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding> {
        let lives = plan.choose(1_000, 60_000);
        let ground = Ground::sqlite(&plan.scratch).await?;
        let path = ground.database().context("a SQLite store has a file")?;
        let reader = if case.get("reader") == PINNED { Some(pin(path).await?) } else { None };
        let rate = life::rate(&ground.store, CALLERS, lives).await?;
        let (log, database) = (size(&log_of(path))?, size(path)?);
        if let Some(reader) = reader {
            reader.end().await?;
        }
        life::rate(&ground.store, CALLERS, lives).await?;
        let after = size(&log_of(path))?;
        ground.close().await;
        let bytes = |name: &str, value: u64| Figure { unit: Unit::Bytes, ..Figure::count(name, value) };
        let rate = Figure::new(RATE, Unit::PerSecond, rate);
        Ok(vec![rate, bytes("log", log), bytes("database", database), bytes("log after", after)].into())
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot {
            file: "pinned-reader",
            title: "Lives per second by 64 callers beside a reader",
            figures: &[RATE],
            group: By::Label("reader"),
            colour: By::Figure,
            logarithmic: false,
        }]
    }
}

async fn pin(path: &Path) -> anyhow::Result<Child> {
    let script = python::script("python/pinned_reader.py");
    let mut reader = Child::python(Path::new(python::ANY), &script, [path])?;
    let holds: Holds = reader.hear().await?;
    anyhow::ensure!(holds.tables > 0, "the reader sees the tables");
    Ok(reader)
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| path.display().to_string())?.len())
}
