//! A graceful stop: finish or hand back, deliver, end.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_idle_agent_ends_after_asking_once_more_what_a_dropped_call_was_given() {
    let mut scene = Scene::begun(executes(|_, _| async { done() }), 2).await;
    let waiting = scene.call().await;
    let claim_id = waiting.request.claim_id;
    scene.shutdown.cancel();
    waiting.until_dropped().await;

    let last = scene.call().await;
    assert_eq!((last.request.claim_id, last.request.slots, last.request.wait), (claim_id, 0, Duration::ZERO));
    last.claims([assigned(1)]);
    let handed_back = scene.call().await;
    assert_eq!(*only_report(&handed_back.request), ReportedStatus::HandedBack);
    handed_back.accepts();
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn running_work_may_finish_and_is_reported_before_the_end() {
    let executors = executes(|_, _| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        done()
    });
    let mut scene = Scene::begun(executors, 2).await;
    scene.call().await.claims([assigned(1)]);
    scene.call().await.nothing();
    scene.shutdown.cancel();

    let report = scene.report_in_time().await;
    assert_eq!(report.request.slots, 0);
    assert_eq!(*only_report(&report.request), ReportedStatus::Completed(Outcome::default()));
    report.accepts();
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_finish_is_handed_back() {
    let executors = executes(|_, context| async move {
        context.cancel.cancelled().await;
        Execution::Cancelled(None)
    });
    let mut scene = Scene::begun(executors, 2).await;
    scene.call().await.claims([assigned(1)]);
    let asked = tokio::time::Instant::now();
    scene.shutdown.cancel();

    let report = scene.report_in_time().await;
    assert_eq!(asked.elapsed(), Duration::from_secs(30));
    assert_eq!(*only_report(&report.request), ReportedStatus::HandedBack);
    report.accepts();
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_gone_does_not_keep_a_stopping_agent() {
    let mut scene = Scene::begun(executes(|_, _| async { done() }), 2).await;
    scene.call().await.claims([assigned(1)]);
    let report = scene.report().await;
    scene.shutdown.cancel();
    report.fails(StoreErrorKind::Unavailable);
    while let Some(call) = scene.calls.recv().await {
        call.answer.send(Err(StoreError::new(StoreErrorKind::Unavailable, "gone"))).ok();
    }
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_got_a_session_stops_at_once() {
    let mut scene = Scene::start(executes(|_, _| async { done() }), None, 1);
    let _hello = scene.call().await;
    scene.shutdown.cancel();
    scene.end().await.unwrap();
}
