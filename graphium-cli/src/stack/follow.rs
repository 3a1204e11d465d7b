//! Following a deployment to its end. Events only say when to look; looking again from time to time is enough.

use std::collections::BTreeMap;
use std::time::Duration;

use graphium_core::id::{Generation, StackName, TaskId};
use graphium_core::stack::{Deployment, DeploymentAction, DeploymentStatus};
use graphium_core::store::{EventFilter, MAX_PAGE, PageRequest, StoreErrorKind, TaskFilter};
use graphium_core::task::TaskView;
use graphium_http::client::{Client, ClientError};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::board::Board;
use crate::duration::took;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;

/// The longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Between two looks while the server does not answer.
const KNOCK_EVERY: Duration = Duration::from_secs(1);

/// How following ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The deployment is over.
    Settled(Box<Deployment>),
    /// The stack is gone, and the deployment with it: what a delete comes to.
    Forgotten,
    /// The time that the user gave it is over.
    TimedOut(Waits),
    /// The user does not want to wait.
    Interrupted,
}

/// Hosts that a deployment waits for, as one text; empty when it waits for none.
pub(super) type Waits = String;

/// A deployment to follow.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    pub(super) api: &'a Client,
    pub(super) stack: StackName,
    pub(super) generation: Generation,
    /// How long at most; none waits for ever.
    pub(super) patience: Option<Duration>,
}

impl Follow<'_> {
    /// Follows to the end, telling the board what happens.
    pub(super) async fn run(&self, board: &mut Board, interrupts: &mut Interrupts) -> anyhow::Result<End> {
        let result = interrupts.or(self.watch(board)).await;
        board.close();
        result.unwrap_or(Ok(End::Interrupted))
    }

    async fn watch(&self, board: &mut Board) -> anyhow::Result<End> {
        let deadline = self.patience.map(|patience| Instant::now() + patience);
        let expired = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let filter = EventFilter { stack: Some(self.stack.clone()), ..EventFilter::default() };
        let mut news = self.api.events(filter, None);
        let mut silent = false;
        let mut waits = Waits::new();
        loop {
            match self.look(board, &mut waits).await {
                Ok(Some(end)) => return Ok(end),
                Ok(None) => silent = false,
                Err(error) if is_silent(&error) => {
                    if !std::mem::replace(&mut silent, true) {
                        board.say("  the server does not answer; trying again")?;
                    }
                    if !expired() {
                        sleep(KNOCK_EVERY).await;
                    }
                }
                Err(error) => return Err(error),
            }
            if expired() {
                return Ok(End::TimedOut(waits));
            }
            let look_again = Instant::now() + LOOK_EVERY;
            let until = deadline.map_or(look_again, |deadline| deadline.min(look_again));
            // A hint: whether it came in time or not, the next round looks.
            if timeout_at(until, news.next()).await.is_ok_and(|event| event.is_err()) {
                sleep_until(until).await;
            }
        }
    }

    /// One look; none while it is under way.
    async fn look(&self, board: &mut Board, waits: &mut Waits) -> anyhow::Result<Option<End>> {
        let Some(deployment) = if_there(self.api.deployment(&self.stack, self.generation).await)? else {
            return Ok(Some(End::Forgotten));
        };
        board.update(&deployment, &self.tasks().await?)?;
        if deployment.status.is_settled() {
            return Ok(Some(End::Settled(Box::new(deployment))));
        }
        let now = self.waits().await?;
        if now != *waits {
            *waits = now;
            if !waits.is_empty() {
                board.say(format_args!("  waiting    {waits}"))?;
            }
        }
        Ok(None)
    }

    async fn tasks(&self) -> anyhow::Result<BTreeMap<TaskId, TaskView>> {
        let filter = TaskFilter { stack: Some(self.stack.clone()), ..TaskFilter::default() };
        let mut tasks = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.api.tasks(filter.clone(), PageRequest { limit: MAX_PAGE, after }).await?;
            // Newest first: what is older than this deployment ends the search.
            let mut older = false;
            for task in page.items {
                older |= task.generation.is_some_and(|generation| generation < self.generation);
                tasks.insert(task.id, task);
            }
            after = page.next;
            if older || after.is_none() {
                return Ok(tasks);
            }
        }
    }

    async fn waits(&self) -> anyhow::Result<Waits> {
        let Some(view) = if_there(self.api.stack(&self.stack).await)? else { return Ok(Waits::new()) };
        Ok(super::status::waiting_for(&view.summary.waiting_for))
    }
}

fn is_silent(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ClientError>().is_some_and(|error| error.kind() == StoreErrorKind::Unavailable)
}

/// What is asked for, if it is there.
fn if_there<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl End {
    /// The deployment at its end, where there is one.
    pub(super) fn deployment(&self) -> Option<&Deployment> {
        match self {
            Self::Settled(deployment) => Some(deployment),
            Self::Forgotten | Self::TimedOut(_) | Self::Interrupted => None,
        }
    }

    /// The last line to print, or an error where the end is not what was wished for.
    pub(super) fn verdict(self, follow: &Follow<'_>, action: DeploymentAction) -> anyhow::Result<String> {
        let (stack, generation) = (&follow.stack, follow.generation);
        let name = format!("stack {stack}: generation {generation}");
        let how = format!("follow it with `graphium stack status {stack} --follow`");
        match self {
            Self::Forgotten if action == DeploymentAction::Delete => {
                Ok(format!("stack {stack} is removed: every host has confirmed that nothing of it is left"))
            }
            Self::Forgotten => Err(Failure::new(Exit::Conflict, format!("stack {stack} was removed meanwhile")).into()),
            Self::Settled(deployment) => settled(*deployment, &name),
            Self::TimedOut(waits) => {
                let waited = took(follow.patience.unwrap_or_default());
                let waits = if waits.is_empty() { waits } else { format!("; it waits for {waits}") };
                Err(Failure::new(Exit::Failed, format!("{name} is not done after {waited}{waits}"))
                    .advice(format!("it goes on; {how}"))
                    .into())
            }
            Self::Interrupted => {
                Err(Failure::new(Exit::Interrupted, format!("interrupted; {name} goes on")).advice(how).into())
            }
        }
    }
}

fn settled(deployment: Deployment, name: &str) -> anyhow::Result<String> {
    let time = deployment.finished_at.map(|end| took(end.since(deployment.started_at))).unwrap_or_default();
    match deployment.status {
        DeploymentStatus::Completed => Ok(format!("{name} completed in {time}")),
        DeploymentStatus::Failed { reason } => Err(Failure::new(Exit::Failed, format!("{name} failed: {reason}"))
            .advice(format!("`graphium task list --stack {}` shows every task of it", deployment.stack))
            .into()),
        DeploymentStatus::Superseded => {
            Err(Failure::new(Exit::Conflict, format!("{name} is superseded by a newer deployment")).into())
        }
        DeploymentStatus::Cancelled => Err(Failure::new(Exit::Failed, format!("{name} was cancelled")).into()),
        DeploymentStatus::Running => Err(Failure::new(Exit::Failed, format!("{name} is under way")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::client;
    use crate::exit::report;

    fn code_of(end: End, action: DeploymentAction) -> Result<String, u8> {
        let api = client("http://127.0.0.1:1", None, None).unwrap();
        let stack = "shop".parse().unwrap();
        let follow = Follow { api: &api, stack, generation: Generation(3), patience: Some(Duration::from_secs(5)) };
        end.verdict(&follow, action).map_err(|error| report(&error, false).code())
    }

    #[test]
    fn each_end_has_the_exit_code_that_scripts_rely_on() {
        assert!(code_of(End::Forgotten, DeploymentAction::Delete).unwrap().contains("removed"));
        assert_eq!(code_of(End::Forgotten, DeploymentAction::Deploy), Err(4));
        assert_eq!(code_of(End::TimedOut("vm1 (down, 1 task)".into()), DeploymentAction::Delete), Err(1));
        assert_eq!(code_of(End::Interrupted, DeploymentAction::Deploy), Err(130));
    }
}
