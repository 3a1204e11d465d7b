//! Records: compare, then set, all or nothing with the tasks of the same submission.

use std::collections::BTreeSet;

use super::Engine;
use crate::store::{Expected, MAX_RECORD_NAME, Record, RecordKey, RecordWrite, StoreError, StoreErrorKind};

impl Engine {
    /// Refuses writes that do not find what they expect.
    pub(super) fn check_records(&self, writes: &[RecordWrite]) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for write in writes {
            check_name(&write.key)?;
            if !seen.insert(&write.key) {
                let message = format!("the submission writes record {} twice: write it once", write.key);
                return Err(StoreError::new(StoreErrorKind::Invalid, message));
            }
            let found = self.records.get(&write.key).map(|record| record.version);
            let fits = match write.expected {
                Expected::Absent => found.is_none(),
                Expected::Version(version) => found == Some(version),
                Expected::Anything => true,
            };
            if !fits {
                return Err(StoreError::new(StoreErrorKind::Conflict, mismatch(write, found)));
            }
        }
        Ok(())
    }

    /// Performs writes that were checked; answers with the new versions.
    pub(super) fn write_records(&mut self, writes: Vec<RecordWrite>) -> Vec<u64> {
        writes.into_iter().map(|write| self.write_record(write)).collect()
    }

    fn write_record(&mut self, write: RecordWrite) -> u64 {
        self.changes.records.insert(write.key.clone());
        let Some(body) = write.body else {
            self.records.remove(&write.key);
            return 0;
        };
        let version = self.records.get(&write.key).map_or(1, |record| record.version + 1);
        let record = Record { key: write.key.clone(), version, body, updated_at: self.now, unreadable: None };
        self.records.insert(write.key, record);
        version
    }
}

fn check_name(key: &RecordKey) -> Result<(), StoreError> {
    let name = &key.name;
    if name.is_empty() || name.len() > MAX_RECORD_NAME || name.chars().any(char::is_control) {
        let (kind, shown) = (key.kind.as_str(), name.chars().take(80).collect::<String>());
        let message = format!(
            "{shown:?} is no name for a {kind} record: it has 1 to {MAX_RECORD_NAME} bytes without control characters"
        );
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    Ok(())
}

fn mismatch(write: &RecordWrite, found: Option<u64>) -> String {
    let found = found.map_or("there is none".to_owned(), |version| format!("it has version {version}"));
    let expected = match write.expected {
        Expected::Absent => "no such record".to_owned(),
        Expected::Version(version) => format!("version {version}"),
        Expected::Anything => "anything".to_owned(),
    };
    format!("record {} is not as expected: {expected} was expected and {found}; read it again", write.key)
}
