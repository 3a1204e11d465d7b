//! Taking values out of a tree: what is taken is known, what is left over is a problem.

use std::collections::BTreeMap;

use crate::stack::document::{Entry, Lines, Node, Value, join};
use crate::stack::problem::{MAX_PROBLEMS, Problem};

/// Keys of schema.org that describe and never change what is deployed.
const DESCRIPTIVE: [&str; 25] = [
    "about",
    "additionalType",
    "alternateName",
    "applicationCategory",
    "author",
    "codeRepository",
    "copyrightHolder",
    "copyrightNotice",
    "copyrightYear",
    "creator",
    "dateCreated",
    "dateModified",
    "datePublished",
    "disambiguatingDescription",
    "identifier",
    "keywords",
    "license",
    "maintainer",
    "programmingLanguage",
    "publisher",
    "sameAs",
    "softwareHelp",
    "softwareVersion",
    "url",
    "version",
];

/// Keys that every object may have.
const COMMON: [&str; 4] = ["@id", "@type", "comment", "description"];

/// What was found on the way.
#[derive(Debug)]
pub(super) struct Report<'t> {
    lines: &'t Lines<'t>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Which part of the text a part of the spec came from.
    origins: BTreeMap<String, (String, usize)>,
}

impl<'t> Report<'t> {
    pub(super) fn new(lines: &'t Lines<'t>) -> Self {
        Self { lines, problems: Vec::new(), warnings: Vec::new(), origins: BTreeMap::new() }
    }

    /// Whether no more problems would be listed.
    fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    pub(super) fn problem(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.problem_at(at.offset(), at.path.clone(), message);
    }

    fn problem_at(&mut self, offset: usize, path: String, message: impl Into<String>) {
        if !self.is_full() {
            self.problems.push(self.lines.problem(offset, path, message));
        }
    }

    fn warn_at(&mut self, offset: usize, path: String, message: impl Into<String>) {
        if self.warnings.len() < MAX_PROBLEMS {
            self.warnings.push(self.lines.problem(offset, path, message));
        }
    }

    /// Remembers that `spec_path` was read here.
    pub(super) fn origin(&mut self, spec_path: impl Into<String>, at: &Cursor<'_>) {
        self.origins.insert(spec_path.into(), (at.path.clone(), at.offset()));
    }

    /// The same problem, placed in the text: at the nearest part that is known to have come from there.
    pub(super) fn place(&self, problem: Problem) -> Problem {
        let mut path = problem.path.as_str();
        loop {
            if let Some((text_path, offset)) = self.origins.get(path) {
                return self.lines.problem(*offset, text_path.as_str(), problem.message);
            }
            match path.rfind(['.', '[']) {
                Some(cut) => path = &path[..cut],
                None => return Problem { path: "$".into(), ..problem },
            }
        }
    }
}

/// A value and its path.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

impl<'n> Cursor<'n> {
    pub(super) fn root(node: &'n Node) -> Self {
        Self { node, path: "$".into() }
    }

    fn offset(&self) -> usize {
        self.node.range.start
    }

    /// Says what was expected and what stands there.
    pub(super) fn expected(&self, what: &str, report: &mut Report<'_>) {
        report.problem(self, format!("expected {what}, found {}", self.node.value.describe()));
    }

    /// The items of a list. JSON-LD writes a list of one as that one.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => {
                let cursor = |(index, node)| Cursor { node, path: format!("{}[{index}]", self.path) };
                items.iter().enumerate().map(cursor).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Object(_) => vec![self.clone()],
        }
    }

    /// The keys of an object.
    pub(super) fn object(&self, what: &str, report: &mut Report<'_>) -> Option<Object<'n>> {
        match &self.node.value {
            Value::Object(entries) => {
                let left = vec![true; entries.len()];
                Some(Object { path: self.path.clone(), entries, left, known: COMMON.to_vec() })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                self.expected(what, report);
                None
            }
        }
    }

    /// Every entry of an object, where the keys are the user's own.
    pub(super) fn entries(&self) -> Option<Vec<(&'n str, Self)>> {
        let Value::Object(entries) = &self.node.value else { return None };
        let cursor =
            |entry: &'n Entry| (entry.key.as_str(), Cursor { node: &entry.value, path: join(&self.path, &entry.key) });
        Some(entries.iter().map(cursor).collect())
    }
}

/// An object that is being read. Whatever is not taken by name when it is finished is a problem.
#[derive(Debug)]
pub(super) struct Object<'n> {
    pub(super) path: String,
    entries: &'n [Entry],
    left: Vec<bool>,
    known: Vec<&'static str>,
}

impl<'n> Object<'n> {
    /// The value of a key. `null` counts as absent.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Cursor<'n>> {
        self.known.push(name);
        let index = self.entries.iter().position(|entry| entry.key == name)?;
        self.left[index] = false;
        let entry = &self.entries[index];
        let cursor = Cursor { node: &entry.value, path: join(&self.path, name) };
        (!matches!(entry.value.value, Value::Null)).then_some(cursor)
    }

    /// The value of a key that has several spellings, of which only one may be used.
    pub(super) fn take_any(&mut self, names: &[&'static str], report: &mut Report<'_>) -> Option<Cursor<'n>> {
        let mut found: Option<(&str, Cursor<'n>)> = None;
        for name in names {
            let Some(cursor) = self.take(name) else { continue };
            if let Some((first, _)) = &found {
                report.problem(&cursor, format!("`{first}` and `{name}` are the same thing: keep one of them"));
            } else {
                found = Some((name, cursor));
            }
        }
        found.map(|(_, cursor)| cursor)
    }

    /// Whether the object has a key.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// Complains about every key that nobody took.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        for (entry, left) in self.entries.iter().zip(&self.left) {
            let key = entry.key.as_str();
            if !left || COMMON.contains(&key) || report.is_full() {
                continue;
            }
            let path = join(&self.path, key);
            if DESCRIPTIVE.contains(&key) {
                report.warn_at(entry.key_range.start, path, format!("`{key}` only describes and is not kept"));
            } else {
                report.problem_at(entry.key_range.start, path, self.unknown(key));
            }
        }
    }

    fn unknown(&self, key: &str) -> String {
        if let Some(meant) = self.known.iter().find(|known| known.eq_ignore_ascii_case(key)) {
            return format!("unknown key `{key}`: did you mean `{meant}`?");
        }
        let mut known = self.known.clone();
        known.sort_unstable();
        known.dedup();
        format!("unknown or unsupported key `{key}`; known here: {}", known.join(", "))
    }
}
