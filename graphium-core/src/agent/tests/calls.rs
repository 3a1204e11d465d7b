//! The one loop call: what it says, when it is repeated, and under which claim id.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_call_asks_for_nothing_and_the_next_one_for_every_slot() {
    let mut scene = Scene::start(executes(|_, _| async { done() }), None, 3);

    let hello = scene.call().await;
    assert_eq!((hello.request.slots, hello.request.wait), (0, Duration::ZERO));
    hello.nothing();

    let asks = scene.call().await.request;
    assert_eq!((asks.slots, asks.wait), (3, Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn news_replace_a_waiting_call_under_the_same_claim_id() {
    let mut scene = Scene::begun(executes(|_, _| async { done() }), 2).await;
    let first = scene.call().await;
    let first_id = first.request.claim_id;
    first.claims([assigned(1)]);

    let waiting = scene.call().await;
    let second_id = waiting.request.claim_id;
    assert_ne!(second_id, first_id, "an answered claim id is not used again");
    waiting.until_dropped().await;

    let report = scene.call().await;
    assert_eq!(report.request.claim_id, second_id, "the dropped call may have been given work");
    assert_eq!(*only_report(&report.request), ReportedStatus::Completed(Outcome::default()));
    assert_eq!(report.request.wait, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_delays_and_never_loses_a_report() {
    let mut scene = Scene::begun(executes(|_, _| async { done() }), 2).await;
    let task = assigned(4);
    let id = task.id();
    scene.call().await.claims([task]);
    let mut report = scene.report().await;
    let claim_id = report.request.claim_id;

    for _ in 0..50 {
        report.fails(StoreErrorKind::Unavailable);
        report = scene.call().await;
        assert_eq!(report.request.claim_id, claim_id, "an unanswered call keeps its claim id");
    }
    let [said] = report.request.reports.as_slice() else { panic!("one report") };
    assert_eq!((said.task, said.attempt), (id, Attempt(4)));

    report.accepts();
    assert!(scene.call().await.request.reports.is_empty(), "an accepted report is not repeated");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_and_asked_again() {
    let mut scene = Scene::begun(executes(|_, _| async { done() }), 2).await;
    let hanging = scene.call().await;
    let again = scene.call().await;
    assert_eq!(again.request.claim_id, hanging.request.claim_id);
    assert!(hanging.answer.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_repeated_claim_after_a_lost_answer_runs_each_task_once() {
    let (runs, mut ran) = mpsc::unbounded_channel();
    let executors = executes(move |task, _| {
        runs.send(task.id()).unwrap();
        std::future::pending()
    });
    let mut scene = Scene::begun(executors, 2).await;
    let task = assigned(1);
    scene.call().await.fails(StoreErrorKind::Unavailable);
    scene.call().await.claims([task.clone()]);
    scene.call().await.claims([task.clone()]);

    let call = scene.call().await;
    assert_eq!(running_ids(&call.request), [task.id()]);
    assert_eq!(ran.recv().await, Some(task.id()));
    assert!(ran.try_recv().is_err(), "the task began twice");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_early_and_says_nothing_new_is_not_asked_for_at_once() {
    let mut scene = Scene::begun(executes(|_, _| std::future::pending()), 1).await;
    scene.call().await.claims([assigned(1)]);
    let started = tokio::time::Instant::now();
    for _ in 0..10 {
        scene.call().await.nothing();
    }
    scene.call().await.nothing();
    assert!(started.elapsed() >= Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_a_third_of_the_lease_while_something_runs() {
    let mut scene = Scene::begun(executes(|_, _| std::future::pending()), 2).await;
    scene.call().await.claims([assigned(1)]);
    assert_eq!(scene.call().await.request.wait, LEASE / 3);
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_at_most_twice_a_second_and_the_last_word_gets_through() {
    let executors = executes(|_, context| async move {
        for step in 0..100 {
            context.step(&format!("step {step}"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::future::pending().await
    });
    let mut scene = Scene::begun(executors, 2).await;
    scene.call().await.claims([assigned(1)]);

    let mut told = Vec::new();
    while told.last().is_none_or(|step| step != "step 99") {
        let call = scene.call().await;
        match call.request.running.first().and_then(|running| running.progress.clone()) {
            Some(progress) => {
                told.push(progress.step);
                call.nothing();
            }
            None => call.until_dropped().await,
        }
    }
    assert!(told.len() <= 4, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_id_in_use_is_waited_for() {
    let mut scene = Scene::start(executes(|_, _| async { done() }), None, 1);
    for _ in 0..20 {
        scene.call().await.fails(StoreErrorKind::AgentInUse);
    }
    scene.call().await.nothing();
    assert_eq!(scene.call().await.request.slots, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_the_first_call_for_good_ends_the_agent_and_says_why() {
    let mut scene = Scene::start(executes(|_, _| async { done() }), None, 1);
    scene.call().await.fails(StoreErrorKind::Unauthorized);
    let error = scene.end().await.unwrap_err();
    assert!(matches!(error, AgentError::Refused { source, .. } if source.kind() == StoreErrorKind::Unauthorized));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_middle_of_a_life_is_tried_again() {
    let mut scene = Scene::begun(executes(|_, _| async { done() }), 1).await;
    for _ in 0..5 {
        scene.call().await.fails(StoreErrorKind::Unauthorized);
    }
    scene.call().await.claims([assigned(1)]);
    scene.report().await.accepts();
}
