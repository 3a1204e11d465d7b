//! Variables in a definition, replaced before it is sent: `${VAR}` and its forms, as Compose has them.
//!
//! Only a client does this. A server takes `${` literally, since its own environment is nobody's business.
//!
//! | form | becomes |
//! |---|---|
//! | `$VAR`, `${VAR}` | the value; a problem when it is unset |
//! | `${VAR:-text}`, `${VAR-text}` | the value, or `text` when it is unset (with `:`, also when it is empty) |
//! | `${VAR:?why}`, `${VAR?why}` | the value, or a problem that says why |
//! | `${VAR:+text}`, `${VAR+text}` | `text` when it is set (with `:`, and not empty), else nothing |
//! | `$$` | a dollar sign |
//!
//! `text` may hold variables of its own. A value is never looked into again.

mod env_file;
mod template;

pub use env_file::parse_env_file;

use std::ops::Range;

use super::document::{self, Lines, MAX_DEFINITION_BYTES, Node, Value, join};
use super::problem::{InvalidDefinition, MAX_PROBLEMS, Problem};
use template::Template;

/// Where the value of a variable comes from; none when it is unset.
pub type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Replaces variables in every text value of a JSON definition, keys excepted.
///
/// Lines stay where they were, and a value that holds quotes stays one value.
///
/// ```
/// use graphium_core::stack::interpolate::interpolate_json;
///
/// let lookup = |name: &str| (name == "TAG").then(|| "1.2".to_owned());
/// let text = interpolate_json(r#"{ "image": "web:${TAG}", "user": "${APP_USER:-nobody}" }"#, &lookup)?;
/// assert_eq!(text, r#"{ "image": "web:1.2", "user": "nobody" }"#);
/// # Ok::<(), graphium_core::stack::InvalidDefinition>(())
/// ```
///
/// # Errors
/// [`InvalidDefinition`] with every text that cannot be replaced, by path and line, or with what is wrong with
/// the JSON.
pub fn interpolate_json(text: &str, lookup: Lookup<'_>) -> Result<String, InvalidDefinition> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = document::read(text).map_err(|problems| InvalidDefinition { problems })?;
    let mut walk = Walk { lines: Lines::of(text), lookup, edits: Vec::new(), size: text.len(), problems: Vec::new() };
    walk.node(&root, "$");
    if !walk.problems.is_empty() {
        walk.problems.truncate(MAX_PROBLEMS);
        return Err(InvalidDefinition { problems: walk.problems });
    }
    let mut replaced = String::with_capacity(walk.size);
    let mut copied = 0;
    for (range, value) in walk.edits {
        replaced.push_str(&text[copied..range.start]);
        replaced.push_str(&value);
        copied = range.end;
    }
    replaced.push_str(&text[copied..]);
    Ok(replaced)
}

struct Walk<'t> {
    lines: Lines<'t>,
    lookup: Lookup<'t>,
    edits: Vec<(Range<usize>, String)>,
    /// The size of the result so far.
    size: usize,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, path: &str) {
        match &node.value {
            Value::Text(text) if text.contains('$') => self.text(text, node, path),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &format!("{path}[{index}]"));
                }
            }
            Value::Object(entries) => {
                for entry in entries {
                    self.node(&entry.value, &join(path, &entry.key));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    fn text(&mut self, text: &str, node: &Node, path: &str) {
        if self.size > MAX_DEFINITION_BYTES {
            return;
        }
        let mut complain = |message: String| {
            self.problems.push(self.lines.problem(node.range.start, path, message));
        };
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(message) => return complain(message),
        };
        match template.expand(self.lookup, MAX_DEFINITION_BYTES) {
            Err(messages) => messages.into_iter().for_each(complain),
            Ok(value) => {
                let written = serde_json::Value::String(value).to_string();
                self.size = self.size + written.len() - node.range.len();
                if self.size > MAX_DEFINITION_BYTES {
                    complain(format!("with its variables the definition has more than {MAX_DEFINITION_BYTES} bytes"));
                }
                self.edits.push((node.range.clone(), written));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        let value = match name {
            "NAME" => "shop",
            "EMPTY" => "",
            "QUOTED" => "a \"b\"\n\\ ${NAME}",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn a_value_with_quotes_stays_one_value() {
        let text = interpolate_json(r#"{ "a": "${QUOTED}", "b": ["$NAME"] }"#, &known).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, serde_json::json!({ "a": "a \"b\"\n\\ ${NAME}", "b": ["shop"] }));
    }

    #[test]
    fn keys_and_texts_without_a_dollar_stay_as_they_were_written() {
        let text = "{ \"${NAME}\": \"\\u0061\",\n  \"n\": 1.10, \"x\": \"${NAME}\" }";
        let expected = "{ \"${NAME}\": \"\\u0061\",\n  \"n\": 1.10, \"x\": \"shop\" }";
        assert_eq!(interpolate_json(text, &known).unwrap(), expected);
    }

    #[test]
    fn every_unset_variable_is_named_by_path_and_line() {
        let text = "{\n  \"a\": \"${ONE} ${TWO}\",\n  \"b\": [\"${THREE:?is needed}\"]\n}";
        let found: Vec<_> = interpolate_json(text, &known).unwrap_err().problems;
        let listed: Vec<_> = found.iter().map(|p| (p.line, p.path.as_str(), p.message.as_str())).collect();
        assert_eq!(
            listed,
            [
                (Some(2), "$.a", "variable ONE is not set, and has no default: set it, or write ${ONE:-default}"),
                (Some(2), "$.a", "variable TWO is not set, and has no default: set it, or write ${TWO:-default}"),
                (Some(3), "$.b[0]", "variable THREE is not set: is needed"),
            ]
        );
    }

    #[test]
    fn a_definition_may_not_grow_beyond_its_limit() {
        let large = |_: &str| Some("x".repeat(100_000));
        let text = format!("[{}\"$A\"]", "\"$A\",".repeat(20));
        let found = interpolate_json(&text, &large).unwrap_err().problems;
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("more than 1048576 bytes"), "{found:?}");
        assert!(interpolate_json("[\"$A\",\"$A\"]", &large).is_ok());
    }

    #[test]
    fn a_text_that_is_no_json_is_refused_with_its_line() {
        assert_eq!(interpolate_json("{\n,", &known).unwrap_err().problems[0].line, Some(2));
    }
}
