//! Epochs: what a restore from a backup makes void, and what stands still until somebody has looked.
//!
//! Between a backup and its restore things happened that the file does not know. So whatever numbers that time may have
//! given out are never given again, nobody holds anything any more, and no work is given out before it is confirmed.

use serde_json::json;

use super::{Engine, SERVER};
use crate::clock::Timestamp;
use crate::event::{EventType, NewEvent};
use crate::id::{AgentId, Attempt, Seq, TaskId};
use crate::store::{HostState, RESTORE_STRIDE, Restored, StoreError, StoreErrorKind, StoreStatus, Submission};
use crate::task::{CancelReason, Failure, FailureCode, TaskEvent};

/// Which life of the store this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Epoch {
    /// How often it was restored from a backup.
    pub(in crate::store) number: u64,
    /// Attempts that are given out in it have greater numbers.
    pub(in crate::store) base: u64,
    /// The restore that nobody has confirmed yet.
    pub(in crate::store) restored: Option<Restored>,
}

impl Engine {
    /// Begins a new epoch: the file that was read is a backup, which knows what happened until `backup_at`.
    pub(in crate::store) fn begin_epoch(&mut self, backup_at: Timestamp) {
        let number = self.epoch.number + 1;
        let last_event = self.head;
        let restored = Restored { backup_at, restored_at: self.now, last_event };
        // The clock tells apart two restores of the same backup, which know nothing of each other.
        let clock = u64::try_from(self.now.as_micros()).unwrap_or(0);
        let base = clock.max(self.epoch.base + RESTORE_STRIDE).max(self.head.0 + RESTORE_STRIDE);
        self.epoch = Epoch { number, base, restored: Some(restored) };
        self.changes.epoch = true;
        self.head = Seq(base);
        let data = json!({ "epoch": number, "backupAt": backup_at, "lastEvent": last_event });
        self.log_store(EventType::StoreRestored, SERVER, data);
        self.void_leases();
    }

    fn void_leases(&mut self) {
        // What cannot be read back is not given again: it is condemned.
        let sound = self.tasks.values().filter(|entry| entry.task.unreadable.is_none());
        let mut held: Vec<_> = sound
            .filter_map(|entry| Some((entry.number, entry.task.id(), entry.task.state.lease()?.attempt)))
            .collect();
        held.sort_unstable_by_key(|(number, ..)| *number);
        for (_, id, attempt) in held {
            let failure = Failure::new(FailureCode::Lost, "the store was restored from a backup");
            // It is not the task's fault, so it costs no retry.
            let event = TaskEvent::Fail { attempt, at: self.now, failure, retry_at: Some(self.now) };
            self.must_step(id, event, SERVER);
        }
        self.cascade();
        let agents: Vec<AgentId> = self.hosts.keys().cloned().collect();
        for agent in agents {
            if let Some(host) = self.hosts.get_mut(&agent) {
                host.lease_expires_at = host.lease_expires_at.min(self.now);
                self.changes.hosts.insert(agent.clone());
            }
            self.set_host_state(&agent, HostState::Unknown, SERVER);
        }
    }

    /// Which life of the store this is, and whether it stands still.
    pub(in crate::store) fn status(&self) -> StoreStatus {
        StoreStatus { epoch: self.epoch.number, restored: self.epoch.restored }
    }

    /// Lets a restored store go on. What its stacks had under way is cancelled: since the backup somebody may have
    /// deployed something newer over it.
    pub(in crate::store) fn confirm_restore(&mut self, by: &str) -> StoreStatus {
        if self.epoch.restored.take().is_none() {
            return self.status();
        }
        self.changes.epoch = true;
        self.log_store(EventType::StoreConfirmed, by, json!({ "epoch": self.epoch.number }));
        let mut waiting: Vec<(u64, TaskId)> =
            self.stacks.values().flatten().filter_map(|id| Some((self.tasks.get(id)?.number, *id))).collect();
        waiting.sort_unstable();
        for (_, id) in waiting {
            if self.tasks.get(&id).is_some_and(|entry| !entry.task.state.is_settled()) {
                let reason = CancelReason::Requested { by: by.to_owned() };
                self.must_step(id, TaskEvent::Cancel { at: self.now, reason }, by);
            }
        }
        self.cascade();
        self.woken.extend(self.hosts.keys().cloned());
        self.status()
    }

    /// Whether no work is given out.
    pub(in crate::store) fn is_held(&self) -> bool {
        self.epoch.restored.is_some()
    }

    /// Refuses new work while the store is held.
    pub(super) fn refuse_while_held(&self) -> Result<(), StoreError> {
        let Some(restored) = self.epoch.restored else { return Ok(()) };
        let message = format!(
            "the store was restored from a backup that ends at {}, and takes and gives no work until that is confirmed: \
             look at what differs on the hosts, then confirm the restore",
            restored.backup_at
        );
        Err(StoreError::new(StoreErrorKind::Held, message))
    }

    /// Refuses a submission that brings work while the store is held. Records that belong to no work are taken.
    pub(super) fn check_held(&self, submission: &Submission) -> Result<(), StoreError> {
        if submission.tasks.is_empty() && submission.supersede.is_none() && submission.forget.is_none() {
            return Ok(());
        }
        self.refuse_while_held()
    }

    /// The number of the attempt after this one: greater than any that may have been given out.
    pub(super) fn next_attempt(&self, attempt: Attempt) -> Attempt {
        Attempt(attempt.0.max(self.epoch.base)).next()
    }

    /// Which epoch it is.
    pub(in crate::store) fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn log_store(&mut self, kind: EventType, actor: &str, data: serde_json::Value) {
        self.log(NewEvent { kind, task: None, stack: None, agent: None, actor: actor.to_owned(), data });
    }
}
