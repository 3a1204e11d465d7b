//! A part of the benches: cases, and how one is run.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::plot::Plot;
use crate::sample::{Case, Figure, Finding};
use crate::summary::Summary;

/// How large the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Quick,
    Full,
}

/// What a run needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) size: Size,
    /// Where databases are made; removed at the end.
    pub(crate) scratch: PathBuf,
}

impl Plan {
    /// The one or the other by size.
    pub(crate) fn choose<T>(&self, quick: T, full: T) -> T {
        match self.size {
            Size::Quick => quick,
            Size::Full => full,
        }
    }
}

/// A figure that is to be reached, and what was reached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) wanted: f64,
    pub(crate) at_least: bool,
    pub(crate) reached: Figure,
}

impl Target {
    pub(crate) fn at_least(what: &str, wanted: f64, reached: Figure) -> Self {
        Self { what: what.into(), wanted, at_least: true, reached }
    }

    pub(crate) fn at_most(what: &str, wanted: f64, reached: Figure) -> Self {
        Self { what: what.into(), wanted, at_least: false, reached }
    }

    pub(crate) fn is_reached(&self) -> bool {
        if self.at_least { self.reached.value >= self.wanted } else { self.reached.value <= self.wanted }
    }
}

/// A part of the benches.
#[async_trait(?Send)]
pub(crate) trait Part: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Its headline.
    fn title(&self) -> &'static str;

    /// What is measured, and how: a paragraph of the document.
    fn about(&self) -> &'static str;

    /// What is compared.
    fn cases(&self, plan: &Plan) -> Vec<Case>;

    /// How often each case is run, when so many runs are asked for.
    fn runs(&self, asked: usize) -> usize {
        asked
    }

    /// Runs a case once.
    async fn run(&self, plan: &Plan, case: &Case) -> anyhow::Result<Finding>;

    /// What else is to be known: Markdown that follows the table.
    fn remarks(&self) -> String {
        String::new()
    }

    /// Its plots.
    fn plots(&self) -> Vec<Plot> {
        Vec::new()
    }

    /// What is to be reached, by these medians.
    fn targets(&self, _summary: &Summary) -> Vec<Target> {
        Vec::new()
    }
}
