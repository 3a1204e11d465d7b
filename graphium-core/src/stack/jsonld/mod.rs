//! JSON-LD in: a text becomes a [`StackSpec`], or a list of everything that is wrong with it.
//!
//! Two spellings are in use and mean the same: `ports`, `environment`, `volumes` and
//! `containerPort`, `environmentVariable`, `volumeMount`. Whatever is not known here is refused by path and
//! line; only what describes and changes nothing is let through with a warning.

mod container;
mod health;
mod mount;
mod reader;
mod scalar;
mod stack;

use super::document::{self, Lines, Node};
use super::{InvalidDefinition, Problem, StackSpec, validate};
use reader::{Cursor, Report};

/// A definition that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it asks for.
    pub spec: StackSpec,
    /// What was let through although it changes nothing.
    pub warnings: Vec<Problem>,
}

/// Reads a JSON-LD definition and checks it. `${` is taken literally: whoever wants variables replaced does that
/// first, with
/// [`interpolate_json`](super::interpolate::interpolate_json).
///
/// ```
/// let parsed = graphium_core::stack::jsonld::parse(
///     r#"{ "@context": "https://schema.org", "@graph": [{
///         "@type": "datacenter:Stack", "name": "hello",
///         "hasPart": [{ "name": "web", "image": "nginx:alpine", "ports": [{ "containerPort": 80, "hostPort": 8080 }] }]
///     }] }"#,
/// )?;
/// assert_eq!(parsed.spec.containers[0].ports[0].host_port, Some(8080));
/// # Ok::<(), graphium_core::stack::InvalidDefinition>(())
/// ```
///
/// # Errors
/// [`InvalidDefinition`] with every problem that was found, each with its path and line.
pub fn parse(text: &str) -> Result<Parsed, InvalidDefinition> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = document::read(text).map_err(|problems| InvalidDefinition { problems })?;
    let lines = Lines::of(text);
    let mut report = Report::new(&lines);
    let spec = read(&root, &mut report);
    finish(spec, report)
}

fn read(root: &Node, report: &mut Report<'_>) -> Option<StackSpec> {
    let root = Cursor::root(root);
    let mut object = root.object("an object with `@context` and `@graph`", report)?;
    drop(object.take("@context"));
    if !object.has("@graph") {
        return stack::read(object, &root, report);
    }
    let graph = object.take("@graph");
    object.finish(report);
    let graph = graph?;
    let nodes = graph.items();
    for extra in nodes.iter().skip(1) {
        report.problem(extra, "a definition holds one stack: everything of it stands in the first node of `@graph`");
    }
    let Some(first) = nodes.first() else {
        report.problem(&graph, "`@graph` is empty: the stack belongs into it");
        return None;
    };
    let object = first.object("the stack, an object", report)?;
    stack::read(object, first, report)
}

/// Adds what the spec itself says is wrong, where the text did not already say it.
fn finish(spec: Option<StackSpec>, report: Report<'_>) -> Result<Parsed, InvalidDefinition> {
    let semantic = spec.as_ref().map(validate).unwrap_or_default();
    let placed: Vec<_> = semantic.into_iter().map(|problem| report.place(problem)).collect();
    let mut problems = report.problems;
    let written = problems.len();
    for problem in placed {
        if !problems[..written].iter().any(|known| known.path.starts_with(&problem.path)) {
            problems.push(problem);
        }
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    match spec {
        Some(spec) if problems.is_empty() => Ok(Parsed { spec, warnings: report.warnings }),
        Some(_) | None => Err(InvalidDefinition { problems }),
    }
}

#[cfg(test)]
mod tests;
