//! A JSON text as a tree whose nodes know where they stand in it. Everything that reads a definition reads this,
//! so that every complaint can name its line.
//!
//! `serde_json` decides what is JSON; `jsonc-parser` only says where things are.

use std::borrow::Cow;
use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde::de::IgnoredAny;

use super::problem::{MAX_PROBLEMS, Problem};

/// The most bytes that a definition may have.
pub const MAX_DEFINITION_BYTES: usize = 1024 * 1024;
/// How deep lists and objects may be nested in a definition.
pub const MAX_DEFINITION_DEPTH: usize = 32;
/// The most values that a definition may hold.
pub const MAX_DEFINITION_VALUES: usize = 100_000;

/// A value, and the part of the text that it was read from.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) range: Range<usize>,
}

/// A value. Numbers keep the text as it was written.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Entry>),
}

/// One key of an object with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_range: Range<usize>,
    pub(super) value: Node,
}

impl Value {
    /// What a person calls it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(flag) => format!("{flag}"),
            Self::Number(text) => format!("the number {text}"),
            Self::Text(text) if text.chars().count() > 40 => "a long text".into(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::List(_) => "a list".into(),
            Self::Object(_) => "an object".into(),
        }
    }
}

/// Lines and columns of a text.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// A problem at this place of the text.
    pub(super) fn problem(&self, offset: usize, path: impl Into<String>, message: impl Into<String>) -> Problem {
        let (line, column) = self.locate(offset);
        Problem { path: path.into(), line: Some(line), column: Some(column), message: message.into() }
    }

    /// Line and column, both from 1; the column counts characters.
    fn locate(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }
}

/// Reads a text as plain JSON: no comments, no trailing commas, no key twice in an object.
pub(super) fn read(text: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > MAX_DEFINITION_BYTES {
        let message = format!("the definition has {} bytes: at most {MAX_DEFINITION_BYTES}", text.len());
        return Err(vec![Problem::new("$", message)]);
    }
    let lines = Lines::of(text);
    check_depth(text).map_err(|offset| {
        let message = format!("lists and objects are nested too deep: at most {MAX_DEFINITION_DEPTH}");
        vec![lines.problem(offset, "$", message)]
    })?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| vec![not_json(&error)])?;
    let value = spanned(text)
        .map_err(|error| vec![lines.problem(error.range().start, "$", format!("not valid JSON: {}", error.kind()))])?;

    let mut reading = Reading { lines, values: 0, problems: Vec::new() };
    let node = reading.node(value, "$");
    if reading.values > MAX_DEFINITION_VALUES {
        let message = format!("the definition holds too many values: at most {MAX_DEFINITION_VALUES}");
        return Err(vec![Problem::new("$", message)]);
    }
    if reading.problems.is_empty() { Ok(node) } else { Err(reading.problems) }
}

fn not_json(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let (line, column) = (error.line(), error.column());
    Problem { path: "$".into(), line: Some(line), column: Some(column), message: format!("not valid JSON: {message}") }
}

/// Looks at brackets alone, so that a bomb is refused before anything recursive sees it.
fn check_depth(text: &str) -> Result<(), usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEFINITION_DEPTH {
            return Err(at);
        }
    }
    Ok(())
}

fn spanned(text: &str) -> Result<ast::Value<'_>, jsonc_parser::errors::ParseError> {
    let options = jsonc_parser::ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let result = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options)?;
    let nothing = || ast::Value::NullKeyword(ast::NullKeyword { range: jsonc_parser::common::Range::new(0, 0) });
    Ok(result.value.unwrap_or_else(nothing))
}

struct Reading<'t> {
    lines: Lines<'t>,
    values: usize,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn node(&mut self, value: ast::Value<'_>, path: &str) -> Node {
        self.values += 1;
        let range = value.range();
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(flag) => Value::Bool(flag.value),
            ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
            ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
            ast::Value::Array(list) => {
                let items = list.elements.into_iter().enumerate();
                Value::List(items.map(|(index, item)| self.node(item, &format!("{path}[{index}]"))).collect())
            }
            ast::Value::Object(object) => Value::Object(self.entries(object, path)),
        };
        Node { value, range: range.start..range.end }
    }

    fn entries(&mut self, object: ast::Object<'_>, path: &str) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(object.properties.len());
        let mut seen = std::collections::BTreeSet::new();
        for property in object.properties {
            let key_range = property.name.range();
            let key = property.name.into_string();
            let child = join(path, &key);
            if !seen.insert(key.clone()) && self.problems.len() < MAX_PROBLEMS {
                let message = format!("key {key:?} stands twice in this object: keep one");
                self.problems.push(self.lines.problem(key_range.start, child.as_str(), message));
            }
            let value = self.node(property.value, &child);
            entries.push(Entry { key, key_range: key_range.start..key_range.end, value });
        }
        entries
    }
}

/// The path of a key: `$.name`, or `$["@graph"]` where the key is no plain word.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { format!("{path}.{key}") } else { format!("{path}[{}]", quoted(key)) }
}

fn quoted(key: &str) -> Cow<'_, str> {
    serde_json::to_string(key).map_or(Cow::Borrowed(key), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn problems(text: &str) -> Vec<Problem> {
        read(text).expect_err("must be refused")
    }

    #[test]
    fn a_problem_names_line_and_column_in_characters() {
        let found = problems("{\n  \"ä\": 1, \"ä\": 2\n}");
        assert_eq!((found[0].line, found[0].column), (Some(2), Some(11)));
        assert_eq!(found[0].path, "$[\"ä\"]");
    }

    #[test]
    fn numbers_keep_their_text() {
        let node = read("1.10").unwrap();
        assert!(matches!(node.value, Value::Number(text) if text == "1.10"));
    }

    #[test]
    fn comments_and_trailing_commas_are_no_json() {
        for text in ["{} // x", "[1,]", "{\"a\":1,}", "[01]", "['a']", "", "[1 2]", "[\"\u{1}\"]"] {
            let found = problems(text);
            assert!(found[0].message.starts_with("not valid JSON"), "{text:?}: {found:?}");
            assert!(found[0].line.is_some());
        }
    }

    #[test]
    fn the_limits_hold_at_their_edges() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEFINITION_DEPTH)).is_ok());
        assert!(problems(&nested(MAX_DEFINITION_DEPTH + 1))[0].message.contains("at most 32"));

        let padded = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(read(&padded(MAX_DEFINITION_BYTES)).is_ok());
        assert!(problems(&padded(MAX_DEFINITION_BYTES + 1))[0].message.contains("at most 1048576"));

        let many = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
        assert!(read(&many(MAX_DEFINITION_VALUES)).is_ok());
        assert!(problems(&many(MAX_DEFINITION_VALUES + 1))[0].message.contains("at most 100000"));
    }

    #[test]
    fn a_bomb_is_refused_at_once() {
        let start = tokio::time::Instant::now();
        assert_eq!(problems(&"[".repeat(MAX_DEFINITION_BYTES)).len(), 1);
        assert_eq!(problems(&"{\"a\":".repeat(MAX_DEFINITION_BYTES / 5)).len(), 1);
        let twice = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(90_000));
        assert_eq!(problems(&twice).len(), MAX_PROBLEMS);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}
