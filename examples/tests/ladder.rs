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
