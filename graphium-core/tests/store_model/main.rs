//! The memory store is the model: whatever is asked of both stores, SQLite answers the same, also after it was closed
//! and opened again.
#![cfg(feature = "sqlite")]

mod ask;
mod compare;
mod pair;

use ask::{Ask, ask};
use pair::Pair;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// How many sequences are tried when `GRAPHIUM_MODEL_CASES` says nothing.
const CASES: u32 = 50;
const LENGTH: usize = 80;

#[test]
fn sqlite_answers_as_the_model_does() {
    let cases = std::env::var("GRAPHIUM_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sequence = (any::<u64>(), prop::collection::vec(ask(), 1..LENGTH));

    let result = TestRunner::new(config).run(&sequence, |(seed, asks)| {
        runtime.block_on(play(seed, &asks));
        Ok(())
    });

    if let Err(failure) = result {
        panic!("{failure}");
    }
}

async fn play(seed: u64, asks: &[Ask]) {
    let mut pair = Pair::open(seed).await;
    for ask in asks {
        pair.ask(ask).await;
    }
    pair.compare_everything().await;
    pair.reopen(seed.is_multiple_of(2)).await;
    pair.compare_everything().await;
}
