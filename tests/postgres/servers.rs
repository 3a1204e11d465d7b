//! Several servers on one database.

use std::sync::Arc;
use std::time::Duration;

use graphium_core::clock::SystemClock;
use graphium_core::id::{AgentId, SessionId};
use graphium_core::store::{
    AgentStore, ClaimRequest, PageRequest, PostgresSettings, PostgresStore, Report, ReportAnswer, ReportedStatus,
    StoreErrorKind, StoreSettings, Submission, TaskFilter, TaskStore,
};
use graphium_core::task::{NewTask, Outcome, TaskStatus, TaskType};
use graphium_tests::{Line, PostgresServer};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(40);
const AGENTS: usize = 50;
const FOR_GOOD: Duration = Duration::from_secs(3600);

fn agent(number: usize) -> AgentId {
    AgentId::new(format!("vm{number}")).expect("a valid id")
}

fn task(agent: &AgentId) -> NewTask {
    NewTask::new(agent.clone(), TaskType::Custom("backup".into()))
}

async fn open(url: String, name: &str) -> PostgresStore {
    let postgres = PostgresSettings { url, name: name.to_owned() };
    let store = PostgresStore::open(postgres, Arc::new(SystemClock), StoreSettings::default()).await;
    store.expect("the store opens")
}

/// The one that decides behind a line that can be cut, and another one.
async fn two(server: &PostgresServer) -> (Line, PostgresStore, PostgresStore) {
    let url = server.database().expect("a database");
    let line = Line::to(server.port()).await.expect("a line");
    let deciding = open(url.replace(&server.port().to_string(), &line.port.to_string()), "the one that decides").await;
    (line, deciding, open(url, "another one").await)
}

/// Tries until it is done.
async fn submitted(store: &PostgresStore, agent: &AgentId) -> NewTask {
    let until = Instant::now() + PATIENCE;
    loop {
        let task = task(agent);
        match store.submit(Submission::of("ann", [task.clone()])).await {
            Ok(_) => return task,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                assert!(Instant::now() < until, "{error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

pub(crate) async fn a_server_that_closes_leaves_its_place_to_another_at_once(server: Arc<PostgresServer>) {
    let url = server.database().expect("a database");
    let (first, second) = (open(url.clone(), "first").await, open(url, "second").await);
    first.submit(Submission::of("ann", [task(&agent(0))])).await.expect("the first decides");
    first.close().await;

    // Sooner than a server that is not seen any more loses its place.
    let second_one = second.submit(Submission::of("ann", [task(&agent(0))]));
    timeout(Duration::from_secs(4), second_one).await.expect("at once").expect("the second decides");
    assert_eq!(second.tasks(TaskFilter::default(), PageRequest::default()).await.expect("a list").items.len(), 2);
    second.close().await;
}

pub(crate) async fn claims_that_wait_on_a_server_are_served_when_the_one_that_decides_is_cut_off(
    server: Arc<PostgresServer>,
) {
    let (line, deciding, other) = two(&server).await;
    let other = Arc::new(other);
    let mut waiting = JoinSet::new();
    for number in 0..AGENTS {
        let store = Arc::clone(&other);
        waiting.spawn(async move {
            let (agent, session) = (agent(number), SessionId::generate());
            let request = ClaimRequest::hello(session, "m1").asking(4, Duration::from_secs(30));
            let claimed = store.claim(&agent, request.clone()).await.expect("a claim that waits is answered").claims;
            let claimed = claimed.into_iter().next().expect("with the task");
            let status = ReportedStatus::Completed(Outcome::default());
            let report = Report { task: claimed.task.id(), attempt: claimed.attempt(), status };
            let request = ClaimRequest { reports: vec![report], ..ClaimRequest::hello(session, "m1") };
            let answer = store.claim(&agent, request).await.expect("a report is answered");
            assert_eq!(answer.receipts[0].answer, ReportAnswer::Accepted);
            (claimed.task.id(), claimed.attempt())
        });
    }
    // The one that decides has heard of them all.
    let all_seen = async {
        while deciding.hosts().await.expect("hosts").len() < AGENTS {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, all_seen).await.expect("every claim was passed on");

    line.close(FOR_GOOD);
    line.cut();
    for number in 0..AGENTS {
        submitted(&other, &agent(number)).await;
    }

    let served = timeout(PATIENCE, waiting.join_all()).await.expect("every claim is served");
    for (id, attempt) in served {
        let task = other.task(id).await.expect("the task");
        assert_eq!((task.status(), task.attempt), (TaskStatus::Completed, attempt));
        assert_eq!(other.history(id).await.expect("its history").attempts.len(), 1, "given out once");
    }
}

pub(crate) async fn a_server_that_was_cut_off_keeps_nothing_more_and_passes_on_when_it_is_back(
    server: Arc<PostgresServer>,
) {
    let (line, cut_off, other) = two(&server).await;
    let before = submitted(&cut_off, &agent(0)).await;
    line.close(FOR_GOOD);
    line.cut();
    let lost = task(&agent(0));
    let refused = cut_off.submit(Submission::of("ann", [lost.clone()])).await.expect_err("it cannot be kept");
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    let there = submitted(&other, &agent(0)).await;

    line.heal();
    let back = submitted(&cut_off, &agent(0)).await;
    for task in [before, there, back] {
        other.task(task.id).await.expect("what was acknowledged is there");
    }
    assert_eq!(other.task(lost.id).await.expect_err("it was refused").kind(), StoreErrorKind::NotFound);
}

/// What happens to the line of the server that decides while calls are passed on.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    /// What it asks of the database arrives, and the answers do not.
    Deafened,
    Stalled,
    /// For so long that another server takes its place.
    Closed,
}

pub(crate) async fn what_is_passed_on_is_done_once_whatever_happens_to_the_one_that_decides(
    server: Arc<PostgresServer>,
) {
    const LONG: Duration = Duration::from_secs(7);
    let (line, deciding, other) = two(&server).await;
    let (deciding, other) = (Arc::new(deciding), Arc::new(other));
    let (mut kept, mut unsure) = (Vec::new(), Vec::new());
    for fault in [Fault::Cut, Fault::Deafened, Fault::Closed, Fault::Cut, Fault::Stalled, Fault::Deafened] {
        let mut calls = JoinSet::new();
        for number in 0..AGENTS {
            let store = if number % 5 == 0 { Arc::clone(&deciding) } else { Arc::clone(&other) };
            calls.spawn(async move {
                sleep(Duration::from_millis(rand::random_range(0..40))).await;
                let task = task(&agent(number));
                (task.id, store.submit(Submission::of("ann", [task])).await)
            });
        }
        sleep(Duration::from_millis(rand::random_range(5..40))).await;
        match fault {
            Fault::Cut => line.cut(),
            Fault::Deafened => line.deafen(),
            Fault::Stalled => line.stall(Duration::from_secs(2)),
            Fault::Closed => {
                line.close(LONG);
                line.cut();
            }
        }
        while let Some(answer) = timeout(PATIENCE, calls.join_next()).await.expect("every call is answered") {
            match answer.expect("no panic") {
                (id, Ok(_)) => kept.push(id),
                // Done twice it would be a conflict: a task of this id exists already.
                (id, Err(error)) => {
                    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{fault:?}: {error}");
                    unsure.push((id, error.to_string().contains("kept nothing")));
                }
            }
        }
    }
    assert!(!kept.is_empty(), "something was acknowledged");
    submitted(&other, &agent(0)).await;
    for id in kept {
        other.task(id).await.expect("what was acknowledged is there");
    }
    for (id, nothing) in unsure {
        let found = other.task(id).await;
        assert!(!nothing || found.is_err(), "{id} was said not to be kept");
    }
}

pub(crate) async fn a_letter_under_an_odd_key_is_taken_once_and_no_other_with_it(server: Arc<PostgresServer>) {
    let url = server.database().expect("a database");
    let name = url.rsplit('/').next().expect("a name").to_owned();
    let store = open(url, "only").await;
    let letters = "INSERT INTO graphium.inbox (key, json) VALUES
        (E'a\\x1Ab', '{\"agentId\": \"vm0\", \"taskType\": \"backup\", \"idempotencyKey\": \"x\"}'), ('ab', '{'), (E'c\\x1Ad', '{'), ('cd', '{')";
    server.ask(&name, letters).expect("letters");

    let request = ClaimRequest::hello(SessionId::generate(), "m1").asking(1, Duration::from_secs(10));
    assert_eq!(store.claim(&agent(0), request).await.expect("an answer").claims.len(), 1);
    let refused = server.ask(&name, "SELECT count(*) FROM graphium.inbox_refused").expect("an answer");
    let left = server.ask(&name, "SELECT count(*) FROM graphium.inbox").expect("an answer");
    assert_eq!((refused.as_str(), left.as_str()), ("3", "0"));
    assert_eq!(store.stats().await.expect("stats").by_status.values().sum::<u64>(), 1);
}

pub(crate) async fn a_letter_whose_transaction_ends_late_is_delivered_within_five_seconds_of_its_end(
    server: Arc<PostgresServer>,
) {
    let url = server.database().expect("a database");
    let name = url.rsplit('/').next().expect("a name").to_owned();
    let store = open(url, "only").await;
    let held =
        "BEGIN; INSERT INTO graphium.inbox (key, json) VALUES ('k', '{\"agentId\": \"vm0\", \"taskType\": \"backup\"}');
                SELECT pg_sleep(2); COMMIT;";
    let (asked, database) = (Arc::clone(&server), name.clone());
    let held = tokio::task::spawn_blocking(move || asked.ask(&database, held).expect("the transaction ends"));
    // Others go on meanwhile, with numbers of their own.
    submitted(&store, &agent(1)).await;
    held.await.expect("no panic");

    let request = ClaimRequest::hello(SessionId::generate(), "m1").asking(1, Duration::from_secs(5));
    let answer = store.claim(&agent(0), request).await.expect("an answer");
    let refused = server.ask(&name, "SELECT key, error FROM graphium.inbox_refused").expect("an answer");
    assert_eq!((answer.claims.len(), refused.as_str()), (1, ""));
}
