//! The runs of each case, together.

use crate::sample::{Case, Figure, Sample, Unit};

/// What the runs of a part found, by case.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Summary(pub(crate) Vec<Row>);

/// The runs of a case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) figures: Vec<Spread>,
    /// What its runs had to say, each once.
    pub(crate) notes: Vec<String>,
}

/// A figure over several runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spread {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// Puts the runs of each case together.
pub(crate) fn of(samples: &[Sample]) -> Summary {
    let mut positions: Vec<_> = samples.iter().map(|sample| sample.position).collect();
    positions.sort_unstable();
    positions.dedup();
    let rows = positions.into_iter().filter_map(|position| {
        let runs: Vec<_> = samples.iter().filter(|sample| sample.position == position).collect();
        let first = *runs.first()?;
        let figures = first.finding.figures.iter().filter_map(|figure| spread(figure, &runs)).collect();
        let mut notes: Vec<_> = runs.iter().filter_map(|sample| sample.finding.note.clone()).collect();
        notes.dedup();
        Some(Row { case: first.case.clone(), figures, notes })
    });
    Summary(rows.collect())
}

fn spread(figure: &Figure, runs: &[&Sample]) -> Option<Spread> {
    let found = |sample: &&Sample| sample.finding.figures.iter().find(|f| f.name == figure.name).map(|f| f.value);
    let mut values: Vec<_> = runs.iter().filter_map(found).collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (*values.first()?, *values.last()?);
    Some(Spread { name: figure.name.clone(), unit: figure.unit, median: median(&values), least, most })
}

/// The middle of sorted values; of an even number the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

impl Summary {
    /// The median of a figure of the first case that has all these labels.
    pub(crate) fn median(&self, labels: &[(&str, &str)], figure: &str) -> Option<f64> {
        let fits = |row: &&Row| labels.iter().all(|(name, value)| row.case.get(name) == *value);
        self.0.iter().find(fits)?.spread(figure).map(|spread| spread.median)
    }
}

impl Row {
    /// A figure by its name.
    pub(crate) fn spread(&self, name: &str) -> Option<&Spread> {
        self.figures.iter().find(|spread| spread.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(position: usize, value: f64) -> Sample {
        let finding = vec![Figure::new("lives/s", Unit::PerSecond, value)].into();
        Sample { position, run: 0, case: Case::default().with("callers", position), finding }
    }

    #[test]
    fn the_runs_of_a_case_become_a_median_and_a_spread_in_the_order_of_the_cases() {
        let samples = [sample(1, 9.0), sample(0, 3.0), sample(0, 1.0), sample(0, 2.0), sample(1, 10.0)];
        let summary = of(&samples);
        let spreads: Vec<_> = summary.0.iter().map(|row| &row.figures[0]).collect();
        assert_eq!((spreads[0].least, spreads[0].median, spreads[0].most), (1.0, 2.0, 3.0));
        assert_eq!((spreads[1].least, spreads[1].median, spreads[1].most), (9.0, 9.5, 10.0));
        assert_eq!(summary.median(&[("callers", "1")], "lives/s"), Some(9.5));
        assert_eq!(summary.median(&[("callers", "2")], "lives/s"), None);
    }
}
