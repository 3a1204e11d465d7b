//! Rows as the driver gives them.

use std::borrow::Cow;

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::store::sql::error::SqlError;
use crate::store::sql::rows::Row;

impl Row for tokio_postgres::Row {
    fn integer(&self, column: &str) -> Result<i64, SqlError> {
        // What is counted or chosen by a question has four bytes.
        if self.columns().iter().any(|of| of.name() == column && *of.type_() == Type::INT4) {
            return Ok(self.try_get::<_, i32>(column).map_err(corrupt(column))?.into());
        }
        self.try_get(column).map_err(corrupt(column))
    }

    fn optional_integer(&self, column: &str) -> Result<Option<i64>, SqlError> {
        self.try_get(column).map_err(corrupt(column))
    }

    fn text(&self, column: &str) -> Result<Cow<'_, str>, SqlError> {
        self.try_get(column).map(shown).map_err(corrupt(column))
    }

    fn optional_text(&self, column: &str) -> Result<Option<Cow<'_, str>>, SqlError> {
        self.try_get::<_, Option<&str>>(column).map(|text| text.map(shown)).map_err(corrupt(column))
    }

    fn uuid(&self, column: &str) -> Result<Uuid, SqlError> {
        self.try_get(column).map_err(corrupt(column))
    }

    fn optional_uuid(&self, column: &str) -> Result<Option<Uuid>, SqlError> {
        self.try_get(column).map_err(corrupt(column))
    }
}

fn corrupt(column: &str) -> impl Fn(tokio_postgres::Error) -> SqlError {
    move |source| SqlError::corrupt(format!("column {column}"), source)
}

/// Stands before what PostgreSQL cannot keep in a text.
const ESCAPE: char = '\u{1a}';
/// Stands behind it for a NUL.
const NUL: char = '0';

/// A text as it is kept.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for next in text.chars() {
        match next {
            '\0' => out.extend([ESCAPE, NUL]),
            ESCAPE => out.extend([ESCAPE, ESCAPE]),
            next => out.push(next),
        }
    }
    Cow::Owned(out)
}

/// A kept text as it was.
fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text.chars());
    while let Some(next) = rest.next() {
        let escaped = if next == ESCAPE { rest.next() } else { None };
        out.push(match escaped {
            Some(NUL) => '\0',
            Some(other) => other,
            None => next,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_text_comes_back_and_none_is_kept_with_a_nul(text in "(\\PC|\0|\x1a|0){0,12}") {
            let kept = kept(&text);
            proptest::prop_assert!(!kept.contains('\0'));
            proptest::prop_assert_eq!(shown(&kept), text.as_str());
        }
    }
}
