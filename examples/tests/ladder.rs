//! Every example does what its header says.

#[tokio::test]
async fn embed_memory_greets_both() {
    assert_eq!(graphium_examples::embed_memory::run().await.unwrap(), ["hello ann", "hello bob"]);
}

#[tokio::test]
async fn custom_executor_retries_cancels_and_gives_up() {
    let expected = [
        "flaky: completed at attempt 2",
        "slow: cancelled by me, removed half a file",
        "wrong: failed: invalid_payload: no such bucket",
    ];
    assert_eq!(graphium_examples::custom_executor::run().await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn faulty_line_submits_three_times_and_works_once() {
    let expected = [
        "the first submit: the line lost it",
        "the second: the line lost it",
        "the third: the same task",
        "done by attempt 1",
    ];
    assert_eq!(graphium_examples::faulty_line::run().await.unwrap(), expected);
}

#[tokio::test]
async fn sqlite_inbox_has_a_task_for_the_order_that_was_kept_alone() {
    let expected = ["order 1: parcel packed", "order 2: nothing to do"];
    assert_eq!(graphium_examples::sqlite_inbox::run().await.unwrap(), expected);
}
