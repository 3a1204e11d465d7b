//! Files of variables, as Compose reads them.

use std::collections::BTreeMap;

use super::Lookup;
use super::template::Template;
use crate::stack::document::MAX_DEFINITION_BYTES;
use crate::stack::problem::{MAX_PROBLEMS, Problem};

/// Reads a file of `NAME=value` lines.
///
/// Empty lines and those that begin with `#` count for nothing; `export` may stand before a name. A value without
/// quotes ends before ` #` and loses the blanks around it; one in double quotes may go over several lines and
/// knows `\n`, `\r`, `\t`, `\\`, `\"` and `\$`; both may hold variables, which `lookup` is asked for before the
/// file's own earlier lines. One in single quotes is taken as it is. Of two lines with one name the later counts.
///
/// # Errors
/// Every line that cannot be read, with its number.
pub fn parse_env_file(text: &str, lookup: Lookup<'_>) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    if text.len() > MAX_DEFINITION_BYTES {
        let message = format!("the file has {} bytes: at most {MAX_DEFINITION_BYTES}", text.len());
        return Err(vec![Problem::new("", message)]);
    }
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut variables, mut problems, mut line) = (BTreeMap::new(), Vec::new(), 1);
    while !rest.is_empty() && problems.len() < MAX_PROBLEMS {
        let (entry, length) = entry(rest);
        let mut complain = |name: &str, message: String| {
            problems.push(Problem { path: name.to_owned(), line: Some(line), column: None, message });
        };
        match entry {
            Ok(None) => {}
            Err(message) => complain("", message),
            Ok(Some((name, value))) => {
                let known = |name: &str| lookup(name).or_else(|| variables.get(name).cloned());
                match value.expand(&known) {
                    Ok(value) => drop(variables.insert(name.to_owned(), value)),
                    Err(messages) => messages.into_iter().for_each(|message| complain(name, message)),
                }
            }
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

/// A value as it stands in the file.
enum Written {
    Literal(String),
    WithVariables(String),
}

impl Written {
    fn expand(self, lookup: Lookup<'_>) -> Result<String, Vec<String>> {
        match self {
            Self::Literal(text) => Ok(text),
            Self::WithVariables(text) => {
                let hint = |message: String| format!("{message}. In single quotes a value is taken as it is");
                let template = Template::parse(&text).map_err(|message| vec![hint(message)])?;
                template.expand(lookup, MAX_DEFINITION_BYTES)
            }
        }
    }
}

type Entry<'t> = Result<Option<(&'t str, Written)>, String>;

/// The first entry of a text, and how many bytes it takes with the end of its last line.
fn entry(text: &str) -> (Entry<'_>, usize) {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return (Ok(None), end);
    }
    let Some(equals) = text[..end].find('=') else {
        return (Err("a line is NAME=value: the '=' is missing".into()), end);
    };
    let written = text[..equals].trim();
    let name = written.strip_prefix("export ").map_or(written, str::trim_start);
    if !is_name(name) {
        return (Err(format!("{name:?} is no name of a variable: letters, digits and '_', no digit first")), end);
    }
    let value = text[equals + 1..].trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return (Ok(Some((name, Written::WithVariables(bare(&text[start..end]).to_owned())))), end);
    };
    match quoted(&value[1..], quote) {
        Ok((value, length)) => (Ok(Some((name, value))), start + 1 + length),
        Err(message) => (Err(message), end),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A value without quotes, up to a remark.
fn bare(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let remark = value.find(" #").into_iter().chain(value.find("\t#")).min();
    value[..remark.unwrap_or(value.len())].trim()
}

/// A value whose opening quote is already taken, and how many bytes it takes up to the end of its last line.
fn quoted(text: &str, quote: char) -> Result<(Written, usize), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => {
                let after = &text[at + 1..];
                let end = after.find('\n').map_or(after.len(), |end| end + 1);
                let rest = after[..end].trim();
                if !rest.is_empty() && !rest.starts_with('#') {
                    return Err(format!("after the closing quote comes {rest:?}"));
                }
                let written = if quote == '"' { Written::WithVariables(value) } else { Written::Literal(value) };
                return Ok((written, at + 1 + end));
            }
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, '$')) => value.push_str("$$"),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    Err(format!("the closing {quote} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/ann".to_owned())
    }

    fn read(text: &str) -> Vec<(String, String)> {
        parse_env_file(text, &lookup).unwrap_or_else(|problems| panic!("{problems:?}")).into_iter().collect()
    }

    fn value(text: &str) -> String {
        let mut found = read(text);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).1
    }

    #[test]
    fn values_are_read_in_every_form() {
        for (text, expected) in [
            ("A=1", "1"),
            ("A=", ""),
            ("export A=1", "1"),
            ("  A = 1  ", "1"),
            ("A=two words", "two words"),
            ("A=x # remark", "x"),
            ("A=x#y", "x#y"),
            ("A= # remark", ""),
            ("A=\"two  words\" # remark", "two  words"),
            ("A='$HOME \\n'", "$HOME \\n"),
            ("A=\"a\\nb\\\"c\\\\ \\$HOME\"", "a\nb\"c\\ $HOME"),
            ("A=\"over\nlines\"", "over\nlines"),
            ("A='over\nlines'\n", "over\nlines"),
            ("A=$HOME/x", "/home/ann/x"),
            ("A=\"${UNSET:-d}\"", "d"),
            ("A=b=c", "b=c"),
            ("A=1\r\n", "1"),
            ("\u{feff}A=1", "1"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_later_line_counts_and_earlier_ones_can_be_used() {
        assert_eq!(
            read("# first\n\nA=1\nB=${A}2\nA=3\nHOME=/x\nC=$HOME\n"),
            [("A", "3"), ("B", "12"), ("C", "/home/ann"), ("HOME", "/x")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn every_bad_line_is_named_by_its_number() {
        let text = "A=1\nB\nC=\"over\nlines\"\n1D=x\nE='open\nF=$UNSET\nG=\"x\" y\nH=5$\n";
        let problems = parse_env_file(text, &lookup).unwrap_err();
        let listed: Vec<_> = problems.iter().map(|problem| (problem.line.unwrap(), problem.path.as_str())).collect();
        assert_eq!(listed, [(2, ""), (5, ""), (6, ""), (7, "F"), (8, ""), (9, "H")]);
        assert!(problems[5].message.contains("single quotes"), "{problems:?}");
    }

    #[test]
    fn the_limit_holds_at_its_edge() {
        let padded = |bytes: usize| format!("A={}", "x".repeat(bytes - 2));
        assert!(parse_env_file(&padded(MAX_DEFINITION_BYTES), &lookup).is_ok());
        assert!(parse_env_file(&padded(MAX_DEFINITION_BYTES + 1), &lookup).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([A-Z]{1,2}=|[ \\t\"'$\\\\#{}:?+-]|[a-z]|\\PC|\\n|\\r){0,40}") {
            drop(parse_env_file(&text, &lookup));
            drop(super::super::interpolate_json(&serde_json::Value::String(text).to_string(), &lookup));
        }
    }
}
