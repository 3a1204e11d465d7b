//! What an attempt meets: cancel, deadline, panic, loss, lanes and slots.

use super::*;
use crate::store::Directive;
use crate::task::{CancelReason, Failure, FailureCode, Lane};

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send("dropped").ok();
    }
}

fn cancel(task: &Task) -> ClaimAnswer {
    let reason = CancelReason::Requested { by: "ann".into() };
    let directive = Directive::Cancel { task: task.id(), attempt: task.attempt, reason };
    ClaimAnswer { directives: vec![directive], ..ClaimAnswer::default() }
}

fn failed(request: &ClaimRequest) -> &Failure {
    let status = only_report(request);
    let ReportedStatus::Failed(failure) = status else { panic!("a failure is expected: {status:?}") };
    failure
}

/// Ends soon after its token is cancelled, and says what it undid.
fn obedient() -> ExecutorRegistry {
    executes(|_, context| async move {
        context.step("create");
        context.cancel.cancelled().await;
        Execution::Cancelled(Some("removed it again".into()))
    })
}

/// Never ends by itself.
fn stubborn(drops: mpsc::UnboundedSender<&'static str>) -> ExecutorRegistry {
    executes(move |_, context| {
        let guard = Guard(drops.clone());
        async move {
            context.step("health");
            let _held = guard;
            std::future::pending().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_tasks_step_sees_its_token_and_says_what_it_undid() {
    let mut scene = Scene::begun(obedient(), 2).await;
    let task = assigned(1);
    scene.call().await.claims([task.clone()]);
    scene.waiting().await.answer(cancel(&task));

    let report = scene.report().await;
    assert_eq!(*only_report(&report.request), ReportedStatus::Cancelled(Some("removed it again".into())));
}

#[tokio::test(start_paused = true)]
async fn work_that_ignores_its_cancel_is_dropped_when_the_grace_is_over() {
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let mut scene = Scene::begun(stubborn(drops), 2).await;
    let task = assigned(1);
    scene.call().await.claims([task.clone()]);
    let told = tokio::time::Instant::now();
    scene.waiting().await.answer(cancel(&task));

    // The order is repeated by the store until the report comes; the grace does not start anew with it.
    let report = loop {
        let call = scene.call().await;
        if !call.request.reports.is_empty() {
            break call;
        }
        if !call.answer.is_closed() {
            call.answer(cancel(&task));
        }
    };
    assert_eq!(dropped.recv().await, Some("dropped"));
    assert!(
        told.elapsed() >= Duration::from_secs(10) && told.elapsed() < Duration::from_secs(12),
        "{:?}",
        told.elapsed()
    );
    let ReportedStatus::Cancelled(Some(left)) = only_report(&report.request) else { panic!("{:?}", report.request) };
    assert!(left.contains("may be left"), "{left}");
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_as_asked_in_spite_of_a_cancel_is_reported_as_it_ended() {
    let executors = executes(|_, context| async move {
        context.cancel.cancelled().await;
        done()
    });
    let mut scene = Scene::begun(executors, 2).await;
    let task = assigned(1);
    scene.call().await.claims([task.clone()]);
    scene.waiting().await.answer(cancel(&task));
    assert_eq!(*only_report(&scene.report().await.request), ReportedStatus::Completed(Outcome::default()));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_of_work_that_is_not_here_is_acknowledged() {
    let mut scene = Scene::begun(obedient(), 2).await;
    scene.call().await.answer(cancel(&assigned(3)));
    assert_eq!(*only_report(&scene.report().await.request), ReportedStatus::Cancelled(None));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_over_its_deadline_fails_with_the_step_it_was_in() {
    let (drops, _dropped) = mpsc::unbounded_channel();
    for executors in [obedient(), stubborn(drops)] {
        let mut scene = Scene::begun(executors, 1).await;
        let claimed = Claimed { task: assigned(1), deadline: Duration::from_secs(3) };
        let call = scene.call().await;
        call.answer(ClaimAnswer { claims: vec![claimed], ..ClaimAnswer::default() });

        let report = scene.report_in_time().await;
        let failure = failed(&report.request);
        assert_eq!((failure.code, failure.retryable), (FailureCode::Timeout, true));
        assert!(matches!(failure.step.as_deref(), Some("create" | "health")), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_only_its_task() {
    let executors = executes(|task, _| async move {
        assert!(task.spec.payload.is_null(), "no payload was asked for");
        done()
    });
    let mut scene = Scene::begun(executors, 2).await;
    let (mut bad, good) = (assigned(1), assigned(1));
    Arc::make_mut(&mut bad.spec).payload = serde_json::json!(1);
    scene.call().await.claims([bad.clone(), good.clone()]);

    let report = scene.report().await;
    for said in &report.request.reports {
        if let ReportedStatus::Failed(failure) = &said.status {
            assert_eq!((said.task, failure.code), (bad.id(), FailureCode::Internal));
            assert!(failure.message.contains("no payload was asked for"), "{failure:?}");
        } else {
            assert_eq!((said.task, &said.status), (good.id(), &ReportedStatus::Completed(Outcome::default())));
        }
    }
    report.accepts();
    assert_eq!(scene.report_or_wait().await.slots, 2);
}

#[tokio::test(start_paused = true)]
async fn a_type_without_an_executor_fails_by_name_and_for_good() {
    let mut scene = Scene::begun(ExecutorRegistry::default(), 1).await;
    scene.call().await.claims([assigned(1)]);
    let report = scene.report().await;
    let failure = failed(&report.request);
    assert_eq!((failure.code, failure.retryable), (FailureCode::Unsupported, false));
    assert!(failure.message.contains("no executor for work tasks"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_task_stops_at_once_and_nothing_is_reported() {
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let mut scene = Scene::begun(stubborn(drops), 1).await;
    let task = assigned(1);
    scene.call().await.claims([task.clone()]);
    let lost = Directive::Lost { task: task.id(), attempt: task.attempt };
    let call = scene.waiting().await;
    let told = tokio::time::Instant::now();
    call.answer(ClaimAnswer { directives: vec![lost], ..ClaimAnswer::default() });

    assert_eq!(dropped.recv().await, Some("dropped"));
    assert_eq!(told.elapsed(), Duration::ZERO);
    let next = scene.waiting().await.request;
    assert!(next.reports.is_empty() && next.running.is_empty() && next.slots == 1, "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_work_before_it_can_be_given_away() {
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let mut scene = Scene::begun(stubborn(drops), 1).await;
    scene.call().await.claims([assigned(1)]);
    let renewed = scene.waiting().await;
    let at = tokio::time::Instant::now();
    renewed.nothing();

    // From now on no answer comes.
    while dropped.try_recv().is_err() {
        scene.call().await.fails(StoreErrorKind::Unavailable);
    }
    assert!(at.elapsed() < LEASE + Duration::from_secs(1), "{:?}", at.elapsed());
    assert!(at.elapsed() > LEASE * 8 / 10, "{:?}", at.elapsed());

    let report = loop {
        let call = scene.call().await;
        if !call.request.reports.is_empty() {
            break call;
        }
        call.fails(StoreErrorKind::Unavailable);
    };
    assert_eq!(failed(&report.request).code, FailureCode::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_taken_over_stops_all_work_and_says_so() {
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let mut scene = Scene::begun(stubborn(drops), 2).await;
    scene.call().await.claims([assigned(1), assigned(1)]);
    scene.waiting().await.fails(StoreErrorKind::SessionEnded);

    let error = scene.end().await.unwrap_err();
    assert!(error.to_string().contains("another process took over agent vm1"), "{error}");
    assert_eq!([dropped.try_recv(), dropped.try_recv()], [Ok("dropped"); 2], "work outlived the agent");
}

#[tokio::test(start_paused = true)]
async fn slots_bound_what_is_asked_for() {
    let mut scene = Scene::begun(obedient(), 3).await;
    scene.call().await.claims([assigned(1), assigned(1)]);
    assert_eq!(scene.report_or_wait().await.slots, 1);
}

#[tokio::test(start_paused = true)]
async fn two_tasks_of_a_lane_never_run_at_once() {
    let (begins, mut began) = mpsc::unbounded_channel();
    let executors = executes(move |task, context| {
        let begins = begins.clone();
        async move {
            begins.send(task.id()).unwrap();
            context.cancel.cancelled().await;
            Execution::Cancelled(None)
        }
    });
    let mut scene = Scene::begun(executors, 3).await;
    let lane: Lane = serde_json::from_value("vm1/shop/web/0".into()).unwrap();
    let (mut first, mut second) = (assigned(1), assigned(1));
    Arc::make_mut(&mut first.spec).lane = Some(lane.clone());
    Arc::make_mut(&mut second.spec).lane = Some(lane);
    scene.call().await.claims([first.clone(), second.clone()]);

    let call = scene.call().await;
    assert_eq!(running_ids(&call.request), [first.id()], "a task that has not begun is not said to run");
    assert_eq!(call.request.slots, 1, "a task that waits for its lane takes a slot");
    call.answer(cancel(&first));
    scene.report().await.accepts();
    assert_eq!((began.recv().await, began.recv().await), (Some(first.id()), Some(second.id())));
}

#[tokio::test(start_paused = true)]
async fn a_newer_attempt_of_a_task_waits_until_the_older_is_gone() {
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let mut scene = Scene::begun(stubborn(drops), 3).await;
    let older = assigned(1);
    let mut newer = older.clone();
    newer.attempt = Attempt(2);
    scene.call().await.claims([older]);
    scene.waiting().await.claims([newer]);

    assert_eq!(dropped.recv().await, Some("dropped"));
    let running = loop {
        let request = scene.report_or_wait().await;
        assert!(request.reports.is_empty(), "{request:?}");
        if let [running] = request.running.as_slice()
            && running.attempt == Attempt(2)
        {
            break running.clone();
        }
    };
    assert_eq!(running.attempt, Attempt(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_that_blocks_its_thread_stops_no_renewal() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let blocking = executes(move |_, _| {
        let blocked = Arc::clone(&blocked);
        async move {
            blocked.lock().unwrap().recv().ok();
            done()
        }
    });
    let mut scene = Scene::begun(blocking, 1).await;
    let task = assigned(1);
    scene.call().await.claims([task.clone()]);

    for _ in 0..2 {
        assert_eq!(running_ids(&scene.report_or_wait().await), [task.id()]);
    }

    release.send(()).unwrap();
    let report = scene.report_in_time().await;
    assert!(matches!(only_report(&report.request), ReportedStatus::Completed(_)));
}
