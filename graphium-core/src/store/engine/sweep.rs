//! Deadlines: the server settles what an agent has not settled in time.

use super::Engine;
use crate::task::{Failure, FailureCode};

impl Engine {
    /// Settles what time has decided: sessions that ended, deadlines that passed, hosts that went silent. Answers with
    /// the number of tasks touched.
    pub(in crate::store) fn sweep(&mut self) -> usize {
        self.sweep_sessions() + self.sweep_deadlines()
    }

    fn sweep_deadlines(&mut self) -> usize {
        let overdue = self.queues.overdue(self.now.before(self.settings.deadline_grace));
        for id in &overdue {
            let Some(task) = self.tasks.get(id).map(|entry| &entry.task) else { continue };
            let (agent, seconds) = (task.agent(), task.spec.timeout.as_secs());
            let message = format!("attempt {} on {agent} had not ended after its {seconds} s", task.attempt);
            self.fail(*id, Failure::new(FailureCode::Timeout, message), super::SERVER);
        }
        overdue.len()
    }
}
