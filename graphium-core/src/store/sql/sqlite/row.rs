//! Rows as the driver gives them.

use std::borrow::Cow;

use uuid::Uuid;

use crate::store::sql::error::SqlError;
use crate::store::sql::rows::Row;

impl Row for rusqlite::Row<'_> {
    fn integer(&self, column: &str) -> Result<i64, SqlError> {
        Ok(self.get(column)?)
    }

    fn optional_integer(&self, column: &str) -> Result<Option<i64>, SqlError> {
        Ok(self.get(column)?)
    }

    fn text(&self, column: &str) -> Result<Cow<'_, str>, SqlError> {
        let text = self.get_ref(column)?.as_str();
        text.map(Cow::Borrowed).map_err(|source| SqlError::corrupt(format!("column {column}"), source))
    }

    fn optional_text(&self, column: &str) -> Result<Option<Cow<'_, str>>, SqlError> {
        let text = self.get_ref(column)?.as_str_or_null();
        text.map(|text| text.map(Cow::Borrowed)).map_err(|source| SqlError::corrupt(format!("column {column}"), source))
    }

    fn uuid(&self, column: &str) -> Result<Uuid, SqlError> {
        Ok(Uuid::from_bytes(self.get(column)?))
    }

    fn optional_uuid(&self, column: &str) -> Result<Option<Uuid>, SqlError> {
        let corrupt = |source| SqlError::corrupt(format!("column {column}"), source);
        let Some(bytes) = self.get_ref(column)?.as_blob_or_null().map_err(corrupt)? else { return Ok(None) };
        let uuid = Uuid::from_slice(bytes).map_err(|source| SqlError::corrupt(format!("column {column}"), source))?;
        Ok(Some(uuid))
    }
}
