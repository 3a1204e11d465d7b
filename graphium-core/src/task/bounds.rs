//! Bounds of what is said about an attempt: an agent cuts to them, and a store refuses what is over them.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Failure, InstanceReport, Outcome, Progress};

/// The most bytes of one message: of a failure, a warning, what was undone, or progress.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024;
/// The most bytes of one word: a step, or a name in the report about an instance.
pub const MAX_WORD_BYTES: usize = 255;
/// The most warnings of one outcome.
pub const MAX_WARNINGS: usize = 32;
/// The most instances of one outcome.
pub const MAX_INSTANCE_REPORTS: usize = 256;
/// The most bytes that the data of an outcome may have as JSON.
pub const MAX_OUTCOME_DATA_BYTES: usize = 64 * 1024;
/// The most bytes that an outcome may have as JSON.
pub const MAX_OUTCOME_BYTES: usize = 256 * 1024;

/// What is over a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {rule}")]
pub struct OverBound {
    /// Where: `result.warnings[3]`.
    pub path: String,
    /// What is wrong, and the bound.
    pub rule: String,
}

fn bytes_of(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

fn within(path: impl FnOnce() -> String, what: &str, given: usize, most: usize) -> Result<(), OverBound> {
    if given <= most {
        return Ok(());
    }
    Err(OverBound { path: path(), rule: format!("{given} {what} are too many: at most {most}") })
}

/// The text, or as much of it as fits with a mark that says how long it was.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let mark = format!("… (cut from {} bytes)", text.len());
        let end = text.floor_char_boundary(most.saturating_sub(mark.len()));
        text.truncate(end);
        text.push_str(&mark);
    }
}

/// What was undone, checked as a message.
pub(crate) fn check_message(path: &str, text: &str) -> Result<(), OverBound> {
    within(|| path.to_owned(), "bytes", text.len(), MAX_MESSAGE_BYTES)
}

pub(crate) fn cut_message(mut text: String) -> String {
    cut(&mut text, MAX_MESSAGE_BYTES);
    text
}

impl Progress {
    /// The same progress within the bounds.
    #[must_use]
    pub fn cut(mut self) -> Self {
        cut(&mut self.step, MAX_WORD_BYTES);
        self.message = self.message.map(cut_message);
        self
    }

    /// Checks the bounds that every store enforces.
    ///
    /// # Errors
    /// [`OverBound`] with its place below `path`.
    pub fn check(&self, path: &str) -> Result<(), OverBound> {
        within(|| format!("{path}.step"), "bytes", self.step.len(), MAX_WORD_BYTES)?;
        let message = self.message.as_deref().unwrap_or_default();
        within(|| format!("{path}.message"), "bytes", message.len(), MAX_MESSAGE_BYTES)
    }
}

impl Failure {
    /// The same failure within the bounds.
    #[must_use]
    pub fn cut(mut self) -> Self {
        cut(&mut self.message, MAX_MESSAGE_BYTES);
        if let Some(step) = &mut self.step {
            cut(step, MAX_WORD_BYTES);
        }
        self
    }

    /// Checks the bounds that every store enforces.
    ///
    /// # Errors
    /// [`OverBound`] with its place below `path`.
    pub fn check(&self, path: &str) -> Result<(), OverBound> {
        within(|| format!("{path}.message"), "bytes", self.message.len(), MAX_MESSAGE_BYTES)?;
        let step = self.step.as_deref().unwrap_or_default();
        within(|| format!("{path}.step"), "bytes", step.len(), MAX_WORD_BYTES)
    }
}

impl Outcome {
    /// The same outcome within the bounds. What is left out is told by a warning.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.warnings.iter_mut().for_each(|warning| cut(warning, MAX_MESSAGE_BYTES));
        self.instances.iter_mut().flat_map(words_mut).for_each(|word| cut(word, MAX_WORD_BYTES));
        let bytes = bytes_of(&self.data);
        if !self.data.is_null() && bytes > MAX_OUTCOME_DATA_BYTES {
            self.data = json!({ "cut": format!("the data had {bytes} bytes: at most {MAX_OUTCOME_DATA_BYTES}") });
        }
        let all = (self.instances.len(), self.warnings.len());
        self.instances.truncate(MAX_INSTANCE_REPORTS);
        // One is left for the warning about the others.
        self.warnings.truncate(if all.1 > MAX_WARNINGS { MAX_WARNINGS - 1 } else { MAX_WARNINGS });
        while self.left_out(all).check("").is_err() {
            if self.instances.is_empty() {
                self.warnings.truncate(self.warnings.len() / 2);
            } else {
                self.instances.truncate(self.instances.len() / 2);
            }
        }
        self.left_out(all)
    }

    /// With a warning about what is left out of so many instances and warnings.
    fn left_out(&self, (instances, warnings): (usize, usize)) -> Self {
        let mut outcome = self.clone();
        let (instances, warnings) = (instances - self.instances.len(), warnings - self.warnings.len());
        if (instances, warnings) != (0, 0) {
            outcome.warnings.truncate(MAX_WARNINGS - 1);
            outcome.warnings.push(format!("… and {instances} more instances and {warnings} more warnings, left out"));
        }
        outcome
    }

    /// Checks the bounds that every store enforces.
    ///
    /// # Errors
    /// [`OverBound`] with its place below `path`.
    pub fn check(&self, path: &str) -> Result<(), OverBound> {
        let Self { instances, warnings, data } = self;
        if instances.is_empty() && warnings.is_empty() && *data == Value::Null {
            return Ok(());
        }
        within(|| format!("{path}.warnings"), "warnings", warnings.len(), MAX_WARNINGS)?;
        for (index, warning) in warnings.iter().enumerate() {
            within(|| format!("{path}.warnings[{index}]"), "bytes", warning.len(), MAX_MESSAGE_BYTES)?;
        }
        within(|| format!("{path}.instances"), "instances", instances.len(), MAX_INSTANCE_REPORTS)?;
        for (index, word) in instances.iter().enumerate().flat_map(|(i, report)| words(report).map(move |w| (i, w))) {
            within(|| format!("{path}.instances[{index}]"), "bytes in one word", word.len(), MAX_WORD_BYTES)?;
        }
        within(|| format!("{path}.data"), "bytes", bytes_of(data), MAX_OUTCOME_DATA_BYTES)?;
        within(|| path.to_owned(), "bytes", bytes_of(self), MAX_OUTCOME_BYTES)
    }
}

fn words(report: &InstanceReport) -> impl Iterator<Item = &str> {
    let InstanceReport { runtime_id, name, image_digest, spec_hash, action, .. } = report;
    [Some(runtime_id), Some(name), image_digest.as_ref(), spec_hash.as_ref(), Some(action)]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

fn words_mut(report: &mut InstanceReport) -> impl Iterator<Item = &mut String> {
    let InstanceReport { runtime_id, name, image_digest, spec_hash, action, .. } = report;
    [Some(runtime_id), Some(name), image_digest.as_mut(), spec_hash.as_mut(), Some(action)].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::FailureCode;
    use super::*;
    use crate::id::{ContainerName, Slot};

    fn report(name: &str) -> InstanceReport {
        InstanceReport {
            container: ContainerName::new("web").unwrap(),
            slot: Slot(0),
            runtime_id: "c1".into(),
            name: name.to_owned(),
            image_digest: Some(name.to_owned()),
            spec_hash: Some(name.to_owned()),
            action: "created".into(),
        }
    }

    #[test]
    fn what_is_within_the_bounds_stays_as_it_is() {
        let outcome = Outcome {
            instances: vec![report("web"); MAX_INSTANCE_REPORTS],
            warnings: vec!["x".repeat(MAX_MESSAGE_BYTES); MAX_WARNINGS],
            data: json!("x".repeat(MAX_OUTCOME_DATA_BYTES - 2)),
        };
        assert_eq!(outcome.check("result"), Ok(()));
        assert_eq!(outcome.clone().cut(), outcome);
        let failure = Failure::new(FailureCode::Internal, "x".repeat(MAX_MESSAGE_BYTES)).in_step("pull");
        assert_eq!((failure.check("error"), failure.clone().cut()), (Ok(()), failure));
    }

    #[test]
    fn whatever_an_executor_says_fits_once_it_is_cut() {
        let long = "ü\u{1}".repeat(8 * 1024);
        let huge = Outcome {
            instances: vec![report(&long); MAX_INSTANCE_REPORTS + 1],
            warnings: vec![long.clone(); MAX_WARNINGS * 4],
            data: json!({ "log": long }),
        };
        let cut = huge.cut();
        assert_eq!(cut.check("result"), Ok(()));
        assert!(cut.warnings.last().unwrap().contains("more instances"), "{:?}", cut.warnings.last());

        let failure = Failure::new(FailureCode::Internal, long.clone()).in_step(long.clone()).cut();
        assert_eq!(failure.check("error"), Ok(()));
        assert!(failure.message.ends_with("… (cut from 24576 bytes)"), "it says so");
        let progress = Progress { step: long.clone(), percent: None, message: Some(long) }.cut();
        assert_eq!(progress.check("progress"), Ok(()));
    }

    #[test]
    fn what_is_over_a_bound_is_named_by_its_place() {
        let place = |outcome: Outcome| outcome.check("result").unwrap_err().path;
        let long = "x".repeat(MAX_MESSAGE_BYTES + 1);
        let one = Outcome { warnings: vec!["short".into(), long.clone()], ..Outcome::default() };
        assert_eq!(place(one), "result.warnings[1]");
        let many = Outcome { warnings: vec![String::new(); MAX_WARNINGS + 1], ..Outcome::default() };
        assert_eq!(place(many), "result.warnings");
        let crowd = Outcome { instances: vec![report("web"); MAX_INSTANCE_REPORTS + 1], ..Outcome::default() };
        assert_eq!(place(crowd), "result.instances");
        let named = Outcome { instances: vec![report(&"x".repeat(MAX_WORD_BYTES + 1))], ..Outcome::default() };
        assert_eq!(place(named), "result.instances[0]");
        let heavy = Outcome { data: json!("x".repeat(MAX_OUTCOME_DATA_BYTES)), ..Outcome::default() };
        assert_eq!(place(heavy), "result.data");
        let escaped = "\u{1}".repeat(MAX_MESSAGE_BYTES);
        let swollen = Outcome { warnings: vec![escaped; MAX_WARNINGS], ..Outcome::default() };
        assert_eq!(place(swollen), "result", "as JSON it is more than {MAX_OUTCOME_BYTES} bytes");
        assert_eq!(Failure::new(FailureCode::Internal, long).check("error").unwrap_err().path, "error.message");
    }
}
