//! Records: small versioned documents, written by compare-and-set in the same submission as tasks.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{Generation, StackName};

/// The most bytes that the name of a record may have.
pub const MAX_RECORD_NAME: usize = 255;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// A stack: [`Stack`](crate::stack::Stack).
    Stack,
    /// A deployment: [`Deployment`](crate::stack::Deployment).
    Deployment,
    /// An agent's credential.
    Credential,
    /// A join or user token; the secret itself only as a hash.
    Token,
    /// The installation: its id and its wrapped keys.
    Installation,
}

impl RecordKind {
    /// The kind as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Deployment => "deployment",
            Self::Credential => "credential",
            Self::Token => "token",
            Self::Installation => "installation",
        }
    }
}

/// The name of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// What it is about.
    pub kind: RecordKind,
    /// Its name within the kind.
    pub name: String,
}

impl RecordKey {
    /// A record of this kind and name.
    #[must_use]
    pub fn new(kind: RecordKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// The record of a stack.
    #[must_use]
    pub fn stack(stack: &StackName) -> Self {
        Self::new(RecordKind::Stack, stack.as_str())
    }

    /// The record of a deployment. The number is padded so that names sort by it.
    #[must_use]
    pub fn deployment(stack: &StackName, generation: Generation) -> Self {
        Self::new(RecordKind::Deployment, format!("{stack}/{:012}", generation.0))
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// A record as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub key: RecordKey,
    /// Grows with each write, from 1; starts again after a delete.
    pub version: u64,
    /// Its content; null where it could not be read back.
    pub body: Value,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Why its content could not be read back; none of a sound record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// What a write expects to find. Anything else refuses the whole submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// No such record.
    Absent,
    /// Exactly this version.
    Version(u64),
    /// Whatever there is.
    Anything,
}

/// One write of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordWrite {
    /// Its name.
    pub key: RecordKey,
    /// What must be there before.
    pub expected: Expected,
    /// The new content; none deletes the record, and null is a content like any other.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub body: Option<Value>,
}

fn present<'de, D: serde::Deserializer<'de>>(body: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(body).map(Some)
}
