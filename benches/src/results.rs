//! The raw results, kept beside the document so that it can be written anew.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::sample::Sample;

const FILE: &str = "benchmarks/results.json";

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Whether small sizes were used: such figures only show that the benches work.
    pub(crate) quick: bool,
    /// The runs, by part.
    pub(crate) parts: BTreeMap<String, Vec<Sample>>,
}

impl Results {
    /// The results that are kept in this folder; none when there are none yet.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Puts the runs of a part in the place of those that were there.
    pub(crate) fn replace(&mut self, part: &str, samples: Vec<Sample>) {
        self.parts.insert(part.to_owned(), samples);
    }

    /// Keeps the results in this folder.
    pub(crate) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(FILE);
        std::fs::create_dir_all(folder.join("benchmarks"))?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }
}
