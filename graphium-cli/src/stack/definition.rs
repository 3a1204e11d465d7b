//! A stack file as it is sent: with its variables replaced, from this environment and no other.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use graphium_core::stack::interpolate::{interpolate_json, parse_env_file};
use graphium_core::stack::jsonld::{self, Parsed};
use graphium_core::stack::{InvalidDefinition, Problem};

use super::SourceArgs;
use crate::exit::{Exit, Failure};

/// A definition, ready to be sent.
#[derive(Debug)]
pub(super) struct Definition {
    /// Where it came from, for people.
    source: String,
    /// Its text.
    pub(super) text: String,
}

/// Reads a stack file and replaces its variables.
pub(super) fn read(args: &SourceArgs) -> anyhow::Result<Definition> {
    let source = args.file.display().to_string();
    let text = if source == "-" { read_input()? } else { read_file(&args.file, "stack file")? };
    let environment = |name: &str| std::env::var(name).ok();
    let mut files = BTreeMap::new();
    for path in &args.env_file {
        let text = read_file(path, "env file")?;
        let known = |name: &str| environment(name).or_else(|| files.get(name).cloned());
        let values =
            parse_env_file(&text, &known).map_err(|problems| invalid(&path.display().to_string(), &problems))?;
        files.extend(values);
    }
    let lookup = |name: &str| environment(name).or_else(|| files.get(name).cloned());
    let text = interpolate_json(&text, &lookup).map_err(|error| refused(&source, &error))?;
    Ok(Definition { source, text })
}

impl Definition {
    /// Checks it here, before anything is sent.
    pub(super) fn parse(&self) -> anyhow::Result<Parsed> {
        Ok(jsonld::parse(&self.text).map_err(|error| refused(&self.source, &error))?)
    }
}

fn refused(source: &str, error: &InvalidDefinition) -> Failure {
    invalid(source, &error.problems)
}

/// Every problem at once, each as `file:line`.
fn invalid(source: &str, problems: &[Problem]) -> Failure {
    let count = match problems.len() {
        1 => "one problem".to_owned(),
        count => format!("{count} problems"),
    };
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Failure::new(Exit::Failed, format!("{source} has {count}{}", lines.concat()))
}

fn read_file(path: &Path, what: &str) -> anyhow::Result<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the {what} {}: {error}", path.display())).into())
}

fn read_input() -> anyhow::Result<String> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("cannot read the stack from the standard input: {error}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn variables_come_from_the_last_env_file_that_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "stack.json", r#"{"image": "web:${GRAPHIUM_TEST_TAG}"}"#);
        let first = write(folder.path(), "first.env", "GRAPHIUM_TEST_TAG=1\n");
        let second = write(folder.path(), "second.env", "GRAPHIUM_TEST_TAG=2\n");
        let definition = read(&SourceArgs { file, env_file: vec![first, second] }).unwrap();
        assert_eq!(definition.text, r#"{"image": "web:2"}"#);
    }

    #[test]
    fn a_variable_that_nothing_sets_is_an_error_that_names_it_and_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "stack.json", r#"{"image": "web:${GRAPHIUM_TEST_UNSET}"}"#);
        let error = read(&SourceArgs { file, env_file: Vec::new() }).unwrap_err().to_string();
        assert!(error.contains("GRAPHIUM_TEST_UNSET") && error.contains("stack.json"), "{error}");
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "stack.json", "{\n \"name\": \"shop\",\n \"hasParts\": []\n}");
        let definition = read(&SourceArgs { file, env_file: Vec::new() }).unwrap();
        let error = definition.parse().unwrap_err().to_string();
        assert!(error.contains("hasParts") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn a_file_that_is_missing_is_a_usage_error() {
        let error = read(&SourceArgs { file: "/nonexistent.json".into(), env_file: Vec::new() }).unwrap_err();
        assert_eq!(crate::exit::report(&error, false), Exit::Usage);
    }
}
