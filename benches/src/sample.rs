//! What one run of one case found.

use serde::{Deserialize, Serialize};

/// What is measured, as labels: the columns of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Case(pub(crate) Vec<(String, String)>);

impl Case {
    /// The same case with one more label.
    #[expect(clippy::needless_pass_by_value, reason = "a number or a text, whichever is at hand")]
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// The value of a label; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }

    /// The case in a line.
    pub(crate) fn label(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Count,
    PerSecond,
    Seconds,
    Millis,
    Micros,
    Bytes,
    Cores,
    Ratio,
}

/// A number with its name and unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { name: name.into(), unit, value }
    }

    /// A count.
    pub(crate) fn count(name: &str, value: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        Self::new(name, Unit::Count, value as f64)
    }
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) figures: Vec<Figure>,
    /// What is to be said about it; why there are no figures, where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl From<Vec<Figure>> for Finding {
    fn from(figures: Vec<Figure>) -> Self {
        Self { figures, note: None }
    }
}

/// What one run of one case found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// The place of the case in its part.
    pub(crate) position: usize,
    pub(crate) run: usize,
    pub(crate) case: Case,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

impl Unit {
    /// The value as people read it.
    pub(crate) fn write(self, value: f64) -> String {
        match self {
            Self::Count | Self::PerSecond => thousands(value),
            Self::Seconds => format!("{} s", digits(value)),
            Self::Millis => format!("{} ms", digits(value)),
            Self::Micros => format!("{} µs", digits(value)),
            Self::Cores | Self::Ratio => digits(value),
            Self::Bytes => bytes(value),
        }
    }
}

fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => thousands(value),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn thousands(value: f64) -> String {
    let text = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

fn bytes(value: f64) -> String {
    const STEPS: [(&str, f64); 3] = [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)];
    match STEPS.into_iter().find(|(_, size)| value >= *size) {
        Some((name, size)) => format!("{} {name}", digits(value / size)),
        None => format!("{value:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_as_many_digits_as_matter() {
        assert_eq!(Unit::PerSecond.write(1_234_567.8), "1,234,568");
        assert_eq!(Unit::Count.write(0.0), "0");
        assert_eq!(Unit::Millis.write(0.1234), "0.123 ms");
        assert_eq!(Unit::Millis.write(12.34), "12.3 ms");
        assert_eq!(Unit::Bytes.write(1536.0), "1.50 KiB");
        assert_eq!(Unit::Bytes.write(17.0), "17 B");
    }
}
