//! What a machine may lack, and what it means when it does.

use libtest_mimic::{Failed, Trial};

/// A thing that a test needs.
#[derive(Debug)]
pub struct Needed {
    missing: Option<String>,
    required: bool,
}

impl Needed {
    /// What the look for it found, or why it is missing. The variable turns a missing thing from a reason to skip into a
    /// failure.
    #[must_use]
    pub fn new<T>(look: Result<T, impl ToString>, variable: &str) -> Self {
        Self {
            missing: look.err().map(|why| why.to_string()),
            required: std::env::var_os(variable).is_some_and(|value| value == "1"),
        }
    }

    /// A test that needs it: without it reported as ignored, never as passed.
    pub fn trial(&self, name: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
        let missing = self.missing.clone();
        let ignored = missing.is_some() && !self.required;
        let test = move || missing.map_or_else(test, |why| Err(Failed::from(why)));
        Trial::test(name, test).with_ignored_flag(ignored)
    }
}
