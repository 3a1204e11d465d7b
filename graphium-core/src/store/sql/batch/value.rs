//! Values as SQLite keeps them.

use rusqlite::types::Value;
use serde::Serialize;

use crate::store::sql::error::SqlError;

pub(super) fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn word(word: &str) -> Value {
    Value::Text(word.to_owned())
}

pub(super) fn bytes(id: uuid::Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

pub(super) fn text(value: &impl Serialize) -> Result<Value, SqlError> {
    serde_json::to_string(value).map(Value::Text).map_err(|source| SqlError::corrupt("a value to be written", source))
}
