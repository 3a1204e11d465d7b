//! The inbox: a table in which another program leaves tasks inside transactions of its own.

use std::time::Duration;

use crate::id::{Generation, StackName};
use crate::store::Submission;
use crate::task::{IdempotencyKey, SubmitTask};

/// How often the inbox is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How many letters are taken at a time.
pub(super) const LETTERS: u64 = 100;
/// Who the log names for what came through the inbox.
const ACTOR: &str = "inbox";

/// What another program has left.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) key: String,
    pub(super) json: String,
}

/// What became of letters: kept in the transaction that creates their tasks.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) taken: Vec<String>,
    /// A letter, and why it was refused.
    pub(super) refused: Vec<(Letter, String)>,
}

impl Letter {
    /// What it asks for, all or nothing.
    pub(super) fn submission(&self, newest: impl Fn(&StackName) -> Option<Generation>) -> Result<Submission, String> {
        let tasks = read_tasks(&self.json)?;
        let named = tasks.into_iter().enumerate().map(|(place, task)| {
            let generation = task.stack().and_then(|stack| newest(&stack));
            let mut task = task.into_task(generation, ACTOR);
            if task.idempotency_key.is_none() {
                let key = IdempotencyKey::new(format!("{ACTOR}:{}:{place}", self.key));
                task.idempotency_key = Some(key.map_err(|error| format!("key {:?}: {error}", self.key))?);
            }
            Ok(task)
        });
        Ok(Submission::of(ACTOR, named.collect::<Result<Vec<_>, String>>()?))
    }

    pub(super) fn json(&self) -> &str {
        &self.json
    }
}

fn read_tasks(json: &str) -> Result<Vec<SubmitTask>, String> {
    let told = |error: serde_json::Error| format!("the letter is no task and no list of tasks: {error}");
    if json.trim_start().starts_with('[') {
        serde_json::from_str(json).map_err(told)
    } else {
        Ok(vec![serde_json::from_str(json).map_err(told)?])
    }
}
