//! A client that submits, cancels, retries, deploys and looks, and keeps a journal of it.

use std::sync::Arc;
use std::time::Duration;

use graphium_core::id::{AgentId, TaskId};
use graphium_core::task::{TaskStatus, TaskView};
use graphium_http::client::{Client, ClientError};
use graphium_http::wire::SubmitTask;
use graphium_tests::history::call::{Answer, Question, Repeat, Wanted};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::work;

/// With more tasks open than this nobody submits: a run is to settle soon after its faults.
const MOST_OPEN: i64 = 200;
/// How many submissions wait to be repeated. More are forgotten.
const MAX_REPEATS: usize = 8;

/// One client.
pub(crate) struct Submitter {
    name: usize,
    client: Client,
    journal: Journal,
    ledger: Arc<Ledger>,
    agents: Vec<AgentId>,
    rng: StdRng,
    number: u64,
    /// Submissions to be made once more, whether or not they were answered.
    again: Vec<Vec<SubmitTask>>,
    /// Tasks that were seen to have failed or to be cancelled.
    fallen: Vec<TaskId>,
}

impl Submitter {
    pub(crate) fn new(
        name: usize,
        client: Client,
        journal: Journal,
        ledger: Arc<Ledger>,
        agents: Vec<AgentId>,
        seed: u64,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { name, client, journal, ledger, agents, rng, number: 0, again: Vec::new(), fallen: Vec::new() }
    }

    /// Does one thing after the other, without end.
    pub(crate) async fn run(mut self) {
        loop {
            sleep(Duration::from_millis(self.rng.random_range(5..40))).await;
            let busy = self.ledger.open() > MOST_OPEN;
            match self.rng.random_range(0..40) {
                0..16 if !busy => {
                    let tasks = self.draw();
                    self.submit(tasks, Repeat::No).await;
                }
                16..19 => self.submit_again().await,
                19..23 => self.cancel().await,
                23..26 => self.retry().await,
                26 if !busy => self.apply().await,
                27.. => self.look().await,
                _ => {}
            }
        }
    }

    /// One of the tasks that were acknowledged.
    fn earlier(&mut self) -> Option<TaskId> {
        self.ledger.draw(self.rng.random_range(0..=usize::MAX))
    }

    fn draw(&mut self) -> Vec<SubmitTask> {
        self.number += 1;
        let earlier = self.earlier();
        work::draw(&mut self.rng, &self.agents, earlier, &format!("{}/{}", self.name, self.number))
    }

    async fn submit(&mut self, tasks: Vec<SubmitTask>, repeated: Repeat) {
        let wanted = |task: &SubmitTask| Wanted {
            id: task.id.expect("every task gets an id"),
            key: task.idempotency_key.as_ref().map(|key| key.as_str().to_owned()),
            depends_on: task.depends_on.clone(),
        };
        let call = self.journal.asked(Question::Submit { tasks: tasks.iter().map(wanted).collect(), repeated });
        let answer = self.client.submit_all(&tasks).await;
        let ids = answer.map(|tasks| tasks.iter().map(|task| task.id).collect::<Vec<_>>());
        if let Ok(ids) = &ids {
            self.ledger.acknowledge(ids);
        }
        let unknown = matches!(&ids, Err(error) if !is_refusal(error));
        if (unknown || self.rng.random_bool(0.1)) && self.again.len() < MAX_REPEATS {
            self.again.push(tasks);
        }
        self.journal.heard(call, heard(ids, Answer::Submitted));
    }

    async fn submit_again(&mut self) {
        if self.again.is_empty() {
            return;
        }
        let mut tasks = self.again.remove(self.rng.random_range(0..self.again.len()));
        // With a key alone it is the same submit even under another id.
        if let [task] = tasks.as_mut_slice()
            && task.idempotency_key.is_some()
            && self.rng.random_bool(0.5)
        {
            task.id = Some(TaskId::generate());
        }
        self.submit(tasks, Repeat::Late).await;
    }

    async fn cancel(&mut self) {
        let Some(task) = self.earlier() else { return };
        let call = self.journal.asked(Question::Cancel(task));
        let answer = self.client.cancel_task(task).await;
        self.note_fallen(&answer);
        self.journal.heard(call, heard(answer, shown));
    }

    async fn retry(&mut self) {
        // Now and then one that cannot be retried.
        let known = if self.rng.random_bool(0.8) { self.fallen.pop() } else { None };
        let Some(task) = known.or_else(|| self.earlier()) else { return };
        let call = self.journal.asked(Question::Retry(task));
        self.journal.heard(call, heard(self.client.retry_task(task).await, shown));
    }

    async fn look(&mut self) {
        let Some(task) = self.earlier() else { return };
        let call = self.journal.asked(Question::Look(task));
        let answer = self.client.task(task).await;
        self.note_fallen(&answer);
        self.journal.heard(call, heard(answer, shown));
    }

    fn note_fallen(&mut self, answer: &Result<TaskView, ClientError>) {
        if let Ok(task) = answer
            && matches!(task.status, TaskStatus::Failed | TaskStatus::Cancelled)
        {
            self.fallen.push(task.id);
        }
    }

    async fn apply(&mut self) {
        self.number += 1;
        let (stack, definition) = work::draw_stack(&mut self.rng, &self.agents, self.number);
        let call = self.journal.asked(Question::Apply(stack.to_string()));
        let applied = self.client.apply_stack(&stack, &definition, None).await;
        self.journal.heard(call, heard(applied, |deployment| Answer::Applied(deployment.generation.0)));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the last thing that is made of it")]
fn shown(task: TaskView) -> Answer {
    Answer::Task(task.status, task.attempt)
}

/// Whether the server has said that nothing changed.
fn is_refusal(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.status < 500 || problem.status == 503)
}

fn heard<T>(answer: Result<T, ClientError>, told: impl FnOnce(T) -> Answer) -> Answer {
    match answer {
        Ok(answer) => told(answer),
        Err(error) => match error.problem().filter(|problem| !problem.code.is_empty()) {
            Some(problem) => Answer::Refused(problem.code.clone()),
            None => Answer::Unknown(error.to_string()),
        },
    }
}
