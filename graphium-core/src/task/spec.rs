//! What is asked for, and the limits on asking.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Priority;
use crate::id::{AgentId, ContainerName, Generation, Slot, StackName, TaskId};
use crate::openapi::text_schema;

/// The most dependencies that one task may have.
pub const MAX_DEPENDENCIES: usize = 1000;
/// The most bytes that a payload may have as JSON.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// The most automatic retries that a task may ask for.
pub const MAX_RETRIES: u32 = 100;
/// The longest deadline that a task may ask for.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
const MAX_TYPE_LENGTH: usize = 63;
const MAX_KEY_LENGTH: usize = 255;

/// The kind of work. The six of a container's life, two that serve a whole stack on a host, and your own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TaskType {
    /// Bring an instance into being, as its spec says, observed good.
    Deploy,
    /// Remove an instance.
    Delete,
    /// Stop an instance and keep it.
    Stop,
    /// Start a stopped instance.
    Start,
    /// Stop and start an instance.
    Restart,
    /// Change some fields of an instance.
    Update,
    /// Bring images to the host, so that nothing is stopped before they are there.
    Prefetch,
    /// Remove what a stack left on the host: its instances, networks and, if asked, volumes.
    Cleanup,
    /// Registered by an embedder.
    Custom(String),
}

text_schema!(TaskType);

impl TaskType {
    /// The type as the wire writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deploy => "deploy",
            Self::Delete => "delete",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Update => "update",
            Self::Prefetch => "prefetch",
            Self::Cleanup => "cleanup",
            Self::Custom(name) => name,
        }
    }

    /// The priority when nothing is said.
    #[must_use]
    pub const fn default_priority(&self) -> Priority {
        match self {
            Self::Delete | Self::Cleanup => Priority::DELETE,
            Self::Stop => Priority::STOP,
            Self::Deploy | Self::Start | Self::Restart | Self::Update | Self::Prefetch | Self::Custom(_) => {
                Priority::DEFAULT
            }
        }
    }

    /// The deadline of an attempt when nothing is said.
    #[must_use]
    pub const fn default_timeout(&self) -> Duration {
        match self {
            Self::Delete | Self::Cleanup => Duration::from_secs(120),
            Self::Stop => Duration::from_secs(60),
            Self::Deploy | Self::Start | Self::Restart | Self::Update | Self::Prefetch | Self::Custom(_) => {
                Duration::from_secs(300)
            }
        }
    }

    /// The number of further attempts when nothing is said.
    #[must_use]
    pub const fn default_retries(&self) -> u32 {
        match self {
            Self::Stop => 2,
            Self::Deploy
            | Self::Delete
            | Self::Start
            | Self::Restart
            | Self::Update
            | Self::Prefetch
            | Self::Cleanup
            | Self::Custom(_) => 3,
        }
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskType {
    type Err = InvalidTask;
    fn from_str(text: &str) -> Result<Self, InvalidTask> {
        Ok(match text {
            "deploy" => Self::Deploy,
            "delete" => Self::Delete,
            "stop" => Self::Stop,
            "start" => Self::Start,
            "restart" => Self::Restart,
            "update" => Self::Update,
            "prefetch" => Self::Prefetch,
            "cleanup" => Self::Cleanup,
            other => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "_.-:/".contains(c);
                if other.is_empty() || other.len() > MAX_TYPE_LENGTH || !other.chars().all(plain) {
                    return Err(InvalidTask::Type { given: other.chars().take(80).collect() });
                }
                Self::Custom(other.to_owned())
            }
        })
    }
}

impl TryFrom<String> for TaskType {
    type Error = InvalidTask;
    fn try_from(text: String) -> Result<Self, InvalidTask> {
        text.parse()
    }
}

impl From<TaskType> for String {
    fn from(task_type: TaskType) -> Self {
        task_type.as_str().to_owned()
    }
}

/// A serial key: at most one task of a lane is in flight, and the generation orders them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(String);

impl Lane {
    /// The lane of one instance: `host/stack/container/slot`.
    #[must_use]
    pub fn instance(agent: &AgentId, stack: Option<&StackName>, container: &ContainerName, slot: Slot) -> Self {
        let stack = stack.map_or("-", StackName::as_str);
        Self(format!("{agent}/{stack}/{container}/{slot}"))
    }

    /// The lane of what a whole stack has on a host: `host/stack`.
    #[must_use]
    pub fn stack(agent: &AgentId, stack: &StackName) -> Self {
        Self(format!("{agent}/{stack}"))
    }

    /// The lane as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller's own name for a submit, so that a repeated submit has one effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(String);

text_schema!(IdempotencyKey);

impl IdempotencyKey {
    /// Checks the key.
    ///
    /// # Errors
    /// [`InvalidTask::Key`] when it is empty, longer than 255 bytes or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidTask> {
        let text = text.into();
        if text.is_empty() || text.len() > MAX_KEY_LENGTH || text.chars().any(char::is_control) {
            return Err(InvalidTask::Key);
        }
        Ok(Self(text))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = InvalidTask;
    fn try_from(text: String) -> Result<Self, InvalidTask> {
        Self::new(text)
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

/// Which part of which stack a task serves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placed {
    /// The stack.
    pub stack: StackName,
    /// The deployment of that stack. Tasks of a lower generation that have not begun are cancelled
    /// when one of a higher is submitted.
    pub generation: Generation,
    /// The container spec; none for work on the whole stack.
    pub container: Option<ContainerName>,
    /// The replica.
    pub slot: Slot,
}

/// A task to be submitted: what is asked for. It never changes afterwards.
///
/// ```
/// use graphium_core::id::AgentId;
/// use graphium_core::task::{NewTask, TaskType};
///
/// let task = NewTask::new(AgentId::new("vm1")?, TaskType::Custom("backup".into()))
///     .with_payload(serde_json::json!({ "path": "/srv" }));
/// assert_eq!(task.priority.get(), 5);
/// # Ok::<(), graphium_core::id::InvalidId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewTask {
    /// Its id, made by the submitter so that tasks of one submission can depend on each other.
    pub id: TaskId,
    /// The kind of work.
    pub task_type: TaskType,
    /// The host whose agent does it.
    pub agent: AgentId,
    /// Which part of which stack it serves.
    pub placed: Option<Placed>,
    /// Its serial key.
    pub lane: Option<Lane>,
    /// Its urgency.
    pub priority: Priority,
    /// What the executor needs to know, by type.
    pub payload: Value,
    /// How many further attempts a retryable failure gets. 0 is a real value.
    pub max_retries: u32,
    /// The deadline of each attempt, counted from its claim.
    pub timeout: Duration,
    /// Tasks that must be completed before it may be claimed.
    pub depends_on: Vec<TaskId>,
    /// The caller's own name for this submit.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Who asked for it.
    pub created_by: Option<String>,
}

impl NewTask {
    /// A task with a fresh id and the defaults of its type.
    #[must_use]
    pub fn new(agent: AgentId, task_type: TaskType) -> Self {
        Self {
            id: TaskId::generate(),
            priority: task_type.default_priority(),
            max_retries: task_type.default_retries(),
            timeout: task_type.default_timeout(),
            task_type,
            agent,
            placed: None,
            lane: None,
            payload: Value::Null,
            depends_on: Vec::new(),
            idempotency_key: None,
            created_by: None,
        }
    }

    /// The same task with this payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }

    /// The same task, claimable only when these are completed.
    #[must_use]
    pub fn after(mut self, tasks: impl IntoIterator<Item = TaskId>) -> Self {
        self.depends_on.extend(tasks);
        self
    }

    /// Checks the limits that every store enforces.
    ///
    /// # Errors
    /// [`InvalidTask`] naming the field and its limit.
    pub fn validate(&self) -> Result<(), InvalidTask> {
        if self.depends_on.len() > MAX_DEPENDENCIES {
            return Err(InvalidTask::Dependencies { given: self.depends_on.len() });
        }
        if self.max_retries > MAX_RETRIES {
            return Err(InvalidTask::Retries { given: self.max_retries });
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return Err(InvalidTask::Timeout { given: self.timeout });
        }
        let bytes = self.payload.to_string().len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(InvalidTask::Payload { bytes });
        }
        Ok(())
    }
}

/// A task that breaks a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTask {
    /// The task type has no valid name.
    #[error("task type {given:?} is not valid: it has 1 to 63 letters, digits and '_', '.', '-', ':', '/'")]
    Type {
        /// What was given.
        given: String,
    },
    /// The idempotency key has no valid form.
    #[error("an idempotency key has 1 to 255 bytes without control characters")]
    Key,
    /// Too many dependencies.
    #[error("{given} dependencies are too many: at most {MAX_DEPENDENCIES}")]
    Dependencies {
        /// How many were given.
        given: usize,
    },
    /// Too many retries.
    #[error("maxRetries {given} is too large: at most {MAX_RETRIES}")]
    Retries {
        /// What was given.
        given: u32,
    },
    /// A deadline out of range.
    #[error("a timeout of {given:?} is out of range: more than zero and at most {MAX_TIMEOUT:?}")]
    Timeout {
        /// What was given.
        given: Duration,
    },
    /// A payload that is too large.
    #[error("the payload has {bytes} bytes: at most {MAX_PAYLOAD_BYTES}")]
    Payload {
        /// Its size as JSON.
        bytes: usize,
    },
}

impl InvalidTask {
    /// The field that breaks the limit, as the wire names it.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Type { .. } => "taskType",
            Self::Key => "idempotencyKey",
            Self::Dependencies { .. } => "dependsOn",
            Self::Retries { .. } => "maxRetries",
            Self::Timeout { .. } => "timeoutSeconds",
            Self::Payload { .. } => "payload",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> NewTask {
        NewTask::new(AgentId::new("vm1").unwrap(), TaskType::Deploy)
    }

    #[test]
    fn a_payload_over_its_limit_is_refused_with_its_size() {
        let text = "x".repeat(MAX_PAYLOAD_BYTES);
        let error = task().with_payload(Value::String(text)).validate().unwrap_err();
        assert_eq!(error, InvalidTask::Payload { bytes: MAX_PAYLOAD_BYTES + 2 });
    }

    #[test]
    fn no_retries_at_all_is_a_real_value() {
        let mut task = task();
        task.max_retries = 0;
        assert_eq!(task.validate(), Ok(()));
    }

    #[test]
    fn a_zero_timeout_is_refused() {
        let mut task = task();
        task.timeout = Duration::ZERO;
        assert!(task.validate().is_err());
    }

    #[test]
    fn each_type_reads_back_from_its_wire_name() {
        for name in ["deploy", "delete", "stop", "start", "restart", "update", "prefetch", "cleanup", "db:backup"] {
            let task_type: TaskType = name.parse().unwrap();
            assert_eq!(task_type.as_str(), name);
        }
        assert!("no spaces".parse::<TaskType>().is_err());
    }
}
