//! Identities: one type for each noun, so that a task id cannot stand where an agent id is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::openapi::text_schema;

/// The longest name that a host, stack, container, network or volume may have.
///
/// An engine name is made of two of them, a slot and a suffix, and engines and DNS
/// labels stop at 63 to 255 characters.
pub const MAX_NAME_LENGTH: usize = 63;

/// A name or id that does not have the required form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{noun} {text:?} is not valid: {rule}")]
pub struct InvalidId {
    noun: &'static str,
    text: String,
    rule: &'static str,
}

fn check_name(noun: &'static str, text: &str) -> Result<(), InvalidId> {
    let refuse = |rule| Err(InvalidId { noun, text: text.chars().take(80).collect(), rule });
    if text.is_empty() || text.len() > MAX_NAME_LENGTH {
        return refuse("a name has 1 to 63 characters");
    }
    let first_is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !first_is_plain || !text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        return refuse("a name starts with a letter or digit and holds letters, digits, '_', '.' and '-'");
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        text_schema!($name);

        impl $name {
            /// Checks the text and makes the name of it.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, longer than [`MAX_NAME_LENGTH`] or holds other
            /// characters than ASCII letters, digits, `_`, `.` and `-`.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check_name($noun, &text)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    )*};
}

names! {
    /// An agent and the host it serves: one agent id is one host.
    AgentId = "agent id";
    /// A stack.
    StackName = "stack name";
    /// A container spec within its stack.
    ContainerName = "container name";
}

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident, $new:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        text_schema!($name);

        impl $name {
            /// A fresh id.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::$new())
            }

            /// From a UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId {
                    noun: stringify!($name),
                    text: text.chars().take(80).collect(),
                    rule: "it is a UUID",
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    )*};
}

uuids! {
    /// A task. A version 7 UUID, so ids made later sort later.
    TaskId, now_v7;
    /// One life of an agent process. Random at each start; it owns the leases.
    SessionId, new_v4;
    /// One request for work. The same id asks again for the same answer.
    ClaimId, new_v4;
    /// One Graphium control plane with its store. Labels carry it, so that two installations
    /// can share an engine.
    InstallationId, new_v4;
}

/// The number of one claim of a task: the fencing token of everything written under it.
///
/// It grows at each claim and never otherwise. Zero means never claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Attempt(pub u64);

/// The number of a deployment within its stack. It grows with each deployment, reverts and
/// deletes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Which replica of a container spec, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Slot(pub u32);

/// The position of an event in the log: dense, from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Seq(pub u64);

macro_rules! numbers_display {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}
numbers_display!(Attempt, Generation, Slot, Seq);

impl Attempt {
    /// The number of the next claim.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Generation {
    /// The number of the next deployment.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_is_refused_with_the_rule() {
        let error = StackName::new("a/b").unwrap_err();
        assert!(error.to_string().contains("stack name \"a/b\""), "{error}");
    }

    #[test]
    fn a_name_may_have_63_characters_and_not_64() {
        assert!(AgentId::new("a".repeat(63)).is_ok());
        assert!(AgentId::new("a".repeat(64)).is_err());
    }

    #[test]
    fn task_ids_made_later_sort_later() {
        let (first, second) = (TaskId::generate(), TaskId::generate());
        assert!(first < second);
    }
}
