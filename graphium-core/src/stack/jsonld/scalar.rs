//! Single values: text, numbers, amounts, durations, one of several words.

use std::fmt::Display;
use std::str::FromStr;

use super::reader::{Cursor, Report};
use crate::stack::document::Value;
use crate::stack::quantity;

/// Text that must be text.
pub(super) fn text(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<String> {
    if let Value::Text(text) = &at.node.value {
        return Some(text.clone());
    }
    at.expected("a text", report);
    None
}

/// Text, number or boolean as it is written: `"5432"` and `5432` are the same, `1.10` stays `1.10`.
pub(super) fn written(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<String> {
    let found = as_written(at);
    if found.is_none() {
        at.expected("a text, a number, true or false", report);
    }
    found
}

fn as_written(at: &Cursor<'_>) -> Option<String> {
    match &at.node.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// A whole number in a range; text that is one counts, since a variable may have been put there.
pub(super) fn number<N>(at: &Cursor<'_>, least: N, most: N, report: &mut Report<'_>) -> Option<N>
where
    N: FromStr + PartialOrd + Display + Copy,
{
    let number = match &at.node.value {
        Value::Text(text) | Value::Number(text) => text.parse::<N>().ok(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => None,
    };
    let fitting = number.filter(|number| *number >= least && *number <= most);
    if fitting.is_none() {
        at.expected(&format!("a whole number from {least} to {most}"), report);
    }
    fitting
}

/// True or false.
pub(super) fn boolean(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<bool> {
    let flag = as_written(at).and_then(|text| text.parse().ok());
    if flag.is_none() {
        at.expected("true or false", report);
    }
    flag
}

/// A name or id that checks itself.
pub(super) fn name<T>(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<T>
where
    T: FromStr,
    T::Err: Display,
{
    match text(at, report)?.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            report.problem(at, error.to_string());
            None
        }
    }
}

/// One of several words, in either case.
pub(super) fn choice<T: Copy>(at: &Cursor<'_>, words: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
    let chosen = match &at.node.value {
        Value::Text(text) => words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => None,
    };
    if chosen.is_none() {
        let allowed: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        at.expected(&format!("one of {}", allowed.join(", ")), report);
    }
    chosen
}

/// A list of texts. One text alone is refused: nobody can say how it should be split.
pub(super) fn words(at: &Cursor<'_>, report: &mut Report<'_>) -> Vec<String> {
    if !matches!(at.node.value, Value::List(_)) {
        at.expected("a list such as [\"node\", \"server.js\"]", report);
        return Vec::new();
    }
    at.items().iter().filter_map(|item| written(item, report)).collect()
}

/// Whole seconds: a number, or text such as `10s` and `1m30s`.
pub(super) fn seconds(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<u32> {
    quantified(at, "whole seconds such as 90, \"90s\" or \"1m30s\"", quantity::seconds, report)
}

/// Thousandths of a core: `"0.5"` or `"500m"`.
pub(super) fn cpu(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<u64> {
    quantified(at, "cores such as \"0.5\" or \"500m\"", quantity::cpu_millis, report)
}

/// Bytes: `"512M"`, `"1g"`, or a number.
pub(super) fn memory(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<u64> {
    quantified(at, "an amount of memory such as \"512M\", \"1g\" or a number of bytes", quantity::memory_bytes, report)
}

fn quantified<T>(at: &Cursor<'_>, what: &str, read: impl Fn(&str) -> Option<T>, report: &mut Report<'_>) -> Option<T> {
    let amount = match &at.node.value {
        Value::Text(text) | Value::Number(text) => read(text.trim()),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => None,
    };
    if amount.is_none() {
        at.expected(what, report);
    }
    amount
}
