//! Stacks and deployments as records of the store.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ControlError;
use crate::id::{Generation, StackName};
use crate::stack::{Deployment, Stack};
use crate::store::{Expected, Record, RecordKey, RecordWrite, StoreError, StoreErrorKind, TaskStore};

/// A document with the version under which it was read.
#[derive(Debug, Clone)]
pub(super) struct Versioned<T> {
    pub(super) version: u64,
    pub(super) value: T,
}

pub(super) async fn read_stack(
    store: &dyn TaskStore,
    stack: &StackName,
) -> Result<Option<Versioned<Stack>>, ControlError> {
    read(store, &RecordKey::stack(stack)).await
}

pub(super) async fn read_deployment(
    store: &dyn TaskStore,
    stack: &StackName,
    generation: Generation,
) -> Result<Option<Versioned<Deployment>>, ControlError> {
    read(store, &RecordKey::deployment(stack, generation)).await
}

async fn read<T: DeserializeOwned>(
    store: &dyn TaskStore,
    key: &RecordKey,
) -> Result<Option<Versioned<T>>, ControlError> {
    store.record(key).await?.map(|record| decode(record)).transpose()
}

/// The document of a record.
pub(super) fn decode<T: DeserializeOwned>(record: Record) -> Result<Versioned<T>, ControlError> {
    let Record { key, version, body, unreadable, .. } = record;
    let corrupt = |why: String| {
        let message = format!("record {key} cannot be read back: {why}; use the version of Graphium that wrote it");
        StoreError::new(StoreErrorKind::Corrupt, message)
    };
    if let Some(why) = unreadable {
        return Err(corrupt(why).into());
    }
    let value = serde_json::from_value(body).map_err(|error| corrupt(error.to_string()))?;
    Ok(Versioned { version, value })
}

pub(super) fn write(key: RecordKey, expected: Expected, document: &impl Serialize) -> RecordWrite {
    RecordWrite { key, expected, body: Some(body(document)) }
}

pub(super) fn erase(key: RecordKey, expected: Expected) -> RecordWrite {
    RecordWrite { key, expected, body: None }
}

fn body(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("records have string keys and no fallible serialisers")
}
