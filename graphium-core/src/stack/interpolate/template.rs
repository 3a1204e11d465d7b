//! One text with variables.

use std::iter::Peekable;
use std::str::Chars;

use super::Lookup;

/// How deep variables may stand in the defaults of others.
const MAX_NESTING: usize = 16;

/// A text, cut at its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, form: Form },
}

/// What is done when a variable is set or unset. `or_empty` treats an empty one as unset.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Plain,
    Default { or_empty: bool, text: Template },
    Required { or_empty: bool, why: Template },
    Replacement { or_empty: bool, text: Template },
}

impl Template {
    /// Cuts a text; an error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, rest: text.chars().peekable() };
        reader.template(0)
    }

    /// Puts values in the place of variables; every one that cannot be is an error.
    pub(super) fn expand(&self, lookup: Lookup<'_>, most_bytes: usize) -> Result<String, Vec<String>> {
        let mut expansion = Expansion { lookup, most_bytes, text: String::new(), errors: Vec::new() };
        expansion.template(self);
        if expansion.text.len() > most_bytes {
            expansion.errors.push(format!("with its variables the text has more than {most_bytes} bytes"));
        }
        if expansion.errors.is_empty() { Ok(expansion.text) } else { Err(expansion.errors) }
    }
}

struct Reader<'t> {
    text: &'t str,
    rest: Peekable<Chars<'t>>,
}

impl Reader<'_> {
    /// Reads up to the end, or within braces up to the one that closes.
    fn template(&mut self, depth: usize) -> Result<Template, String> {
        if depth > MAX_NESTING {
            return Err(format!("variables stand too deep in the defaults of others: at most {MAX_NESTING}"));
        }
        let (mut parts, mut plain) = (Vec::new(), String::new());
        while let Some(&c) = self.rest.peek() {
            if depth > 0 && c == '}' {
                break;
            }
            self.rest.next();
            if c != '$' {
                plain.push(c);
                continue;
            }
            if self.rest.next_if_eq(&'$').is_some() {
                plain.push('$');
                continue;
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(self.variable(depth)?);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template(parts))
    }

    fn variable(&mut self, depth: usize) -> Result<Part, String> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Err("a dollar sign that begins no variable: write $$ for the sign itself".into());
            }
            return Ok(Part::Variable { name, form: Form::Plain });
        }
        let name = self.name();
        if name.is_empty() {
            return Err(self.invalid("a name of letters, digits and '_' is expected after ${"));
        }
        let or_empty = self.rest.next_if_eq(&':').is_some();
        let operator = self.rest.next();
        let form = match operator {
            Some('}') if !or_empty => return Ok(Part::Variable { name, form: Form::Plain }),
            Some('-') => Form::Default { or_empty, text: self.template(depth + 1)? },
            Some('?') => Form::Required { or_empty, why: self.template(depth + 1)? },
            Some('+') => Form::Replacement { or_empty, text: self.template(depth + 1)? },
            Some(_) => return Err(self.invalid("after the name comes one of } :- - :? ? :+ +")),
            None => return Err(self.invalid("the closing } is missing")),
        };
        match self.rest.next() {
            Some('}') => Ok(Part::Variable { name, form }),
            Some(_) | None => Err(self.invalid("the closing } is missing")),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| *c == '_' || c.is_ascii_alphanumeric()) {
            if name.is_empty() && c.is_ascii_digit() {
                return name;
            }
            name.push(c);
        }
        name
    }

    fn invalid(&self, what: &str) -> String {
        let shown: String = self.text.chars().take(60).collect();
        format!("{shown:?} is no valid use of a variable: {what}")
    }
}

struct Expansion<'l> {
    lookup: Lookup<'l>,
    most_bytes: usize,
    text: String,
    errors: Vec<String>,
}

impl Expansion<'_> {
    fn template(&mut self, template: &Template) {
        for part in &template.0 {
            // One more than the limit is enough to know.
            if self.text.len() > self.most_bytes {
                return;
            }
            match part {
                Part::Text(text) => self.text.push_str(text),
                Part::Variable { name, form } => self.variable(name, form),
            }
        }
    }

    fn variable(&mut self, name: &str, form: &Form) {
        let value = (self.lookup)(name);
        let given = |or_empty: bool| value.as_ref().filter(|value| !(or_empty && value.is_empty()));
        match form {
            Form::Plain => match &value {
                Some(value) => self.text.push_str(value),
                None => self.errors.push(format!(
                    "variable {name} is not set, and has no default: set it, or write ${{{name}:-default}}"
                )),
            },
            Form::Default { or_empty, text } => match given(*or_empty) {
                Some(value) => self.text.push_str(value),
                None => self.template(text),
            },
            Form::Required { or_empty, why } => match given(*or_empty) {
                Some(value) => self.text.push_str(value),
                None => self.required(name, why),
            },
            Form::Replacement { or_empty, text } => {
                if given(*or_empty).is_some() {
                    self.template(text);
                }
            }
        }
    }

    fn required(&mut self, name: &str, why: &Template) {
        let state = if (self.lookup)(name).is_some() { "empty" } else { "not set" };
        match why.expand(self.lookup, self.most_bytes) {
            Ok(why) if why.is_empty() => self.errors.push(format!("variable {name} is {state}, and is required")),
            Ok(why) => self.errors.push(format!("variable {name} is {state}: {why}")),
            Err(errors) => self.errors.extend(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("$SET".into()),
            _ => None,
        }
    }

    fn expand(text: &str) -> Result<String, Vec<String>> {
        Template::parse(text).map_err(|error| vec![error])?.expand(&lookup, 1000)
    }

    #[test]
    fn every_form_does_what_compose_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$SET", "value"),
            ("${SET}", "value"),
            ("a${SET}b", "avalueb"),
            ("$SET-x", "value-x"),
            ("${EMPTY}", ""),
            ("${SET:-d}", "value"),
            ("${UNSET:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${UNSET-d}", "d"),
            ("${UNSET:-}", ""),
            ("${SET:?e}", "value"),
            ("${EMPTY?e}", ""),
            ("${SET:+r}", "r"),
            ("${EMPTY:+r}", ""),
            ("${EMPTY+r}", "r"),
            ("${UNSET+r}", ""),
            ("$$SET", "$SET"),
            ("$${SET}", "${SET}"),
            ("$$$SET", "$value"),
            ("${UNSET:-a:b-c?d}", "a:b-c?d"),
            ("${UNSET:-${SET}}", "value"),
            ("${UNSET:-${UNSET:-x$$}}", "x$"),
            ("${SET:-${UNSET}}", "value"),
            ("${DOLLAR}", "$SET"),
            ("}", "}"),
        ] {
            assert_eq!(expand(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_required_and_missing_says_why() {
        for (text, expected) in [
            ("${UNSET:?give one}", "variable UNSET is not set: give one"),
            ("${EMPTY:?give one}", "variable EMPTY is empty: give one"),
            ("${UNSET?}", "variable UNSET is not set, and is required"),
            ("${UNSET?see $SET}", "variable UNSET is not set: see value"),
        ] {
            assert_eq!(expand(text), Err(vec![expected.to_owned()]), "{text}");
        }
    }

    #[test]
    fn a_broken_use_is_refused() {
        for text in ["$", "a $ b", "$1", "${", "${}", "${SET", "${SET:}", "${SET:-x", "${SET!x}", "${1A}", "$(date)"] {
            assert!(expand(text).is_err(), "{text}");
        }
        assert!(expand("5$").unwrap_err()[0].contains("write $$"));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}x{}", "${U:-".repeat(depth), "}".repeat(depth));
        assert_eq!(expand(&nested(MAX_NESTING)), Ok("x".into()));
        assert!(expand(&nested(MAX_NESTING + 1)).unwrap_err()[0].contains("at most 16"));
        assert!(expand(&nested(100_000)).is_err());
    }

    #[test]
    fn a_text_may_not_grow_beyond_its_limit() {
        assert!(expand(&"${SET}".repeat(200)).is_ok());
        assert!(expand(&"${SET}".repeat(201)).unwrap_err()[0].contains("more than 1000 bytes"));
    }
}
