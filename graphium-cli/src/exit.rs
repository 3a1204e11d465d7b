//! How a command ends: a code that scripts can act on, and one clear line for people.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done as asked.
    Done,
    /// It failed.
    Failed,
    /// The command line or a settings file is wrong.
    Usage,
    /// The server does not answer.
    Unreachable,
    /// Something else was there first, or came in between.
    Conflict,
    /// A plan has changes.
    Changes,
    /// Interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The number that the process ends with.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Conflict => 4,
            Self::Changes => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that knows its exit code and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// An error that ends the command with this code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), advice: None, source: None }
    }

    /// A wrong command line or settings file.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same error with what to do next.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same error with what caused it.
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Prints the error to the error stream and answers with its exit code.
pub(crate) fn report(error: &anyhow::Error, verbose: bool) -> Exit {
    if reader_is_gone(error) {
        return Exit::Done;
    }
    let failure = error.downcast_ref::<Failure>();
    // An error stream that nobody reads leaves nothing to do.
    drop(write_report(&mut io::stderr(), error, failure, verbose));
    failure.map_or(Exit::Failed, |failure| failure.exit)
}

/// `graphium task list | head` is no failure.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn write_report(
    to: &mut impl Write,
    error: &anyhow::Error,
    failure: Option<&Failure>,
    verbose: bool,
) -> io::Result<()> {
    let mut causes = causes(error).into_iter();
    match failure {
        Some(failure) => writeln!(to, "error: {failure}")?,
        // Nobody has put it into one line: all that is known is told.
        None => writeln!(to, "error: {}", causes.by_ref().collect::<Vec<_>>().join(": "))?,
    }
    if let Some(advice) = failure.and_then(|failure| failure.advice.as_ref()) {
        writeln!(to, "  {advice}")?;
    }
    if verbose {
        for cause in causes.filter(|cause| failure.is_none_or(|failure| *cause != failure.message)) {
            writeln!(to, "  caused by: {cause}")?;
        }
    }
    Ok(())
}

/// The texts of an error and its causes, without those that a text before them holds.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for text in error.chain().map(ToString::to_string) {
        if !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(error: &anyhow::Error, verbose: bool) -> String {
        let mut text = Vec::new();
        write_report(&mut text, error, error.downcast_ref(), verbose).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn an_error_is_one_line_and_what_to_do_next() {
        let error = Failure::new(Exit::Unreachable, "no server answers at http://127.0.0.1:8095")
            .advice("start one with `graphium server`")
            .caused_by(io::Error::from(io::ErrorKind::ConnectionRefused));
        let error = anyhow::Error::from(error);
        assert_eq!(
            printed(&error, false),
            "error: no server answers at http://127.0.0.1:8095\n  start one with `graphium server`\n"
        );
        assert!(printed(&error, true).ends_with("  caused by: connection refused\n"), "{}", printed(&error, true));
    }

    #[test]
    fn what_one_cause_has_told_the_next_does_not_tell_again() {
        let error =
            anyhow::anyhow!("disk full").context("cannot write /srv/x: disk full").context("cannot keep the key");
        assert_eq!(printed(&error, false), "error: cannot keep the key: cannot write /srv/x: disk full\n");
    }

    #[test]
    fn a_failure_keeps_its_exit_code_under_a_context() {
        let error = anyhow::Error::from(Failure::usage("no such file")).context("reading stack.json");
        assert_eq!(report(&error, false), Exit::Usage);
    }

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&error, false), Exit::Done);
    }
}
