//! After a restore from a backup: what differs between the restored store and the hosts, and the word that lets it go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::{self, decode};
use super::view::CORRUPT;
use super::{Control, ControlError};
use crate::id::{AgentId, Generation, StackName};
use crate::stack::{Deployment, DeploymentStatus, Stack};
use crate::store::{Expected, Host, RecordKey, RecordKind, StoreStatus, Submission, paging};

/// Something that the store and the hosts do not agree about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Difference {
    /// Hosts have instances of a stack that the store does not know.
    UnknownStack {
        /// The stack.
        stack: StackName,
        /// Where it was seen.
        hosts: BTreeSet<AgentId>,
        /// The newest generation that was seen.
        generation: Generation,
    },
    /// A host has an instance that is newer than the newest deployment that the store knows.
    NewerInstance {
        /// The stack.
        stack: StackName,
        /// The host.
        host: AgentId,
        /// The name of the instance on its engine.
        instance: String,
        /// What the host has.
        generation: Generation,
        /// What the store knows.
        known: Generation,
    },
    /// The held store knows a stack of which no host has an instance. In a store that works it may just be on its way.
    Missing {
        /// The stack.
        stack: StackName,
        /// The newest generation that the store knows.
        known: Generation,
    },
    /// A host has not looked since the restore, so nothing can be said of it.
    NotSeen {
        /// The host.
        host: AgentId,
    },
    /// What is kept of a stack or of its newest deployment cannot be read back, so nothing can be said of it.
    Unreadable {
        /// The stack.
        stack: StackName,
        /// What cannot be read, and why.
        reason: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownStack { stack, hosts, generation } => {
                let hosts: Vec<_> = hosts.iter().map(AgentId::as_str).collect();
                write!(
                    f,
                    "stack {stack} is unknown, and runs on {} as generation {generation}: apply its definition",
                    hosts.join(", ")
                )
            }
            Self::NewerInstance { stack, host, instance, generation, known } => write!(
                f,
                "{instance} on {host} is of generation {generation} of stack {stack}, of which {known} is known: apply the \
                 newer definition"
            ),
            Self::Missing { stack, known } => write!(
                f,
                "stack {stack} is known as generation {known}, and no host has any of it: if it was deleted, delete it again"
            ),
            Self::NotSeen { host } => write!(f, "host {host} has not reported since the restore: wait for it"),
            Self::Unreadable { stack, reason } => {
                write!(f, "stack {stack} is left as it is, and keeps nobody from confirming: {reason}")
            }
        }
    }
}

/// What differs between the stacks of a store and what its hosts have observed.
#[must_use]
pub fn differences(stacks: &[Stack], hosts: &[Host], status: &StoreStatus) -> Vec<Difference> {
    let known: BTreeMap<_, _> = stacks.iter().map(|stack| (&stack.spec.name, stack.generation)).collect();
    let mut unknown: BTreeMap<&StackName, (BTreeSet<AgentId>, Generation)> = BTreeMap::new();
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for host in hosts {
        let restored_at = status.restored.map(|restored| restored.restored_at);
        if restored_at.is_some_and(|at| host.observed_at.is_none_or(|observed| observed < at)) {
            found.push(Difference::NotSeen { host: host.id.clone() });
        }
        for instance in &host.instances {
            let Some(stack) = &instance.stack else { continue };
            seen.insert(stack);
            match known.get(stack) {
                None => {
                    let (hosts, newest) = unknown.entry(stack).or_default();
                    hosts.insert(host.id.clone());
                    *newest = instance.generation.max(*newest);
                }
                Some(known) if instance.generation > *known => found.push(Difference::NewerInstance {
                    stack: stack.clone(),
                    host: host.id.clone(),
                    instance: instance.name.clone(),
                    generation: instance.generation,
                    known: *known,
                }),
                Some(_) => {}
            }
        }
    }
    found.extend(unknown.into_iter().map(|(stack, (hosts, generation))| Difference::UnknownStack {
        stack: stack.clone(),
        hosts,
        generation,
    }));
    let missing = known.into_iter().filter(|(stack, _)| status.restored.is_some() && !seen.contains(stack));
    found.extend(missing.map(|(stack, known)| Difference::Missing { stack: stack.clone(), known }));
    found.sort();
    found
}

impl Control {
    /// How the store is, and how it differs from the hosts. A stack that cannot be read back is named as a difference.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn restore_status(&self) -> Result<(StoreStatus, Vec<Difference>), ControlError> {
        let status = self.store.status().await?;
        let hosts = self.store.hosts().await?;
        let Kept { stacks, mut unreadable } = self.all_stacks().await?;
        let mut found = differences(&stacks, &hosts, &status);
        // It is known, although nothing can be said of it.
        found
            .retain(|found| !matches!(found, Difference::UnknownStack { stack, .. } if unreadable.contains_key(stack)));
        for stack in stacks.iter().filter(|_| status.restored.is_some()) {
            let name = &stack.spec.name;
            if let Err(reason) = readable(record::read_deployment(&*self.store, name, stack.generation).await)? {
                unreadable.insert(name.clone(), reason);
            }
        }
        found.extend(unreadable.into_iter().map(|(stack, reason)| Difference::Unreadable { stack, reason }));
        found.sort();
        Ok((status, found))
    }

    /// Lets a restored store go on. Deployments that the backup had under way are cancelled with their tasks, so that
    /// nothing is done that nobody has asked for since. What cannot be read back is left as it is, and its tasks are
    /// cancelled too. A store that is not held is left as it is.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn confirm_restore(&self, by: &str) -> Result<StoreStatus, ControlError> {
        let status = self.store.status().await?;
        if status.restored.is_none() {
            return Ok(status);
        }
        let Kept { stacks, unreadable } = self.all_stacks().await?;
        for (stack, reason) in unreadable {
            tracing::error!(%stack, reason, "a restore is confirmed over a stack that cannot be read back");
        }
        for stack in stacks {
            let name = &stack.spec.name;
            let latest = match readable(record::read_deployment(&*self.store, name, stack.generation).await)? {
                Ok(Some(latest)) => latest,
                Ok(None) => continue,
                Err(reason) => {
                    tracing::error!(stack = %name, reason, "a restore is confirmed over a deployment that cannot be read back");
                    continue;
                }
            };
            if latest.value.status.is_settled() {
                continue;
            }
            let finished_at = Some(self.clock.now());
            let ended = Deployment { status: DeploymentStatus::Cancelled, finished_at, ..latest.value };
            let key = RecordKey::deployment(name, ended.generation);
            let records = vec![record::write(key, Expected::Version(latest.version), &ended)];
            self.store.submit(Submission { records, actor: by.to_owned(), ..Submission::default() }).await?;
        }
        let status = self.store.confirm_restore(by).await?;
        self.wake.notify_one();
        Ok(status)
    }

    async fn all_stacks(&self) -> Result<Kept, ControlError> {
        let mut kept = Kept::default();
        for found in paging::all(|page| self.store.records(RecordKind::Stack, "", page)).await? {
            let name = found.key.name.parse::<StackName>();
            match (readable(decode::<Stack>(found))?, name) {
                (Ok(stack), _) => kept.stacks.push(stack.value),
                (Err(reason), Ok(name)) => drop(kept.unreadable.insert(name, reason)),
                (Err(reason), Err(_)) => tracing::error!(reason, "a record of no stack cannot be read back"),
            }
        }
        Ok(kept)
    }
}

/// The stacks that a store keeps.
#[derive(Debug, Default)]
struct Kept {
    stacks: Vec<Stack>,
    /// Those of which only the name is known, with what is wrong.
    unreadable: BTreeMap<StackName, String>,
}

/// What was read, or why it alone cannot be read back. Other errors concern more than one record.
fn readable<T>(read: Result<T, ControlError>) -> Result<Result<T, String>, ControlError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.kind() == CORRUPT => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
