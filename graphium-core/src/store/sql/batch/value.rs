//! Values as databases keep them.

use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::sql::error::SqlError;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store::sql) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Id(Uuid),
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

/// A number as databases count. One that is too large is refused: kept as another one it would be taken for that.
pub(super) fn integer(number: u64) -> Result<Value, SqlError> {
    i64::try_from(number).map(Value::Integer).map_err(|_| SqlError::TooLarge { number })
}

pub(super) fn micros(at: Timestamp) -> Value {
    Value::Integer(at.as_micros())
}

pub(super) fn word(word: &str) -> Value {
    Value::Text(word.to_owned())
}

pub(super) fn id(id: Uuid) -> Value {
    Value::Id(id)
}

pub(super) fn text(value: &impl Serialize) -> Result<Value, SqlError> {
    serde_json::to_string(value).map(Value::Text).map_err(|source| SqlError::corrupt("a value to be written", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_number_is_kept_as_it_is_or_refused(number: u64) {
            match integer(number) {
                Ok(Value::Integer(kept)) => proptest::prop_assert_eq!(u64::try_from(kept), Ok(number)),
                other => proptest::prop_assert!(other.is_err() && i64::try_from(number).is_err(), "{:?}", other),
            }
        }
    }

    #[test]
    fn the_largest_number_is_kept_and_the_next_is_refused_by_name() {
        let largest = i64::MAX.unsigned_abs();
        assert_eq!(integer(largest).unwrap(), Value::Integer(i64::MAX));
        assert!(integer(largest + 1).unwrap_err().to_string().contains("9223372036854775808"));
    }
}
