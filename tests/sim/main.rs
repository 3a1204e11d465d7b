//! Deterministic simulation: agents, a store behind a faulty line, crashes and cuts, in paused time.
//!
//! Each run derives everything from one seed. Run one again with `GRAPHIUM_SIM_SEED=17`, or more of them with
//! `GRAPHIUM_SIM_SEEDS=5000`.

#![expect(clippy::unwrap_used, reason = "all of it is test code, also what stands outside a test function")]

mod chaos;
mod fleet;
mod invariants;
mod line;
mod record;
mod script;

use std::sync::atomic::{AtomicU64, Ordering};

use record::Story;

/// How many seeds the test command runs.
const SEEDS: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs one seed to its end, in a runtime of its own.
fn simulate(seed: u64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(chaos::run(seed))
}

#[test]
fn every_seed_keeps_every_invariant_and_settles_what_was_acknowledged() {
    let seeds = match setting("GRAPHIUM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("GRAPHIUM_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let failures = std::thread::scope(|scope| {
        let judge = || {
            std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end))
                .find_map(failure)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let judges: Vec<_> = (0..threads).map(|_| scope.spawn(judge)).collect();
        judges.into_iter().filter_map(|judge| judge.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is broken in the run of a seed.
fn failure(seed: u64) -> Option<String> {
    let story = simulate(seed);
    let mut broken = invariants::check(&story);
    if story.tasks.is_empty() {
        broken.push("  nothing was done".to_owned());
    }
    (!broken.is_empty())
        .then(|| format!("seed {seed} (GRAPHIUM_SIM_SEED={seed} runs it alone):\n{}", broken.join("\n")))
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [3, 14, 15] {
        let (first, second) = (simulate(seed).outline(), simulate(seed).outline());
        for (number, (one, other)) in first.iter().zip(&second).enumerate() {
            assert_eq!(one, other, "seed {seed} took another way at event {number}");
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

#[test]
fn the_faults_are_real() {
    let stories: Vec<_> = (0..40).map(simulate).collect();
    let some = |what: &str, happened: fn(&Story) -> bool| {
        assert!(stories.iter().any(happened), "no seed of 40 had {what}");
    };
    some("an attempt lost", |story| story.mentions("\"lost\""));
    some("a task handed back", |story| story.handed_back > 0);
    some("a task cancelled while it ran", |story| story.mentions("\"cancelRequestedAt\""));
    some("a second process for an agent", |story| !story.twins.is_empty());
    some("an execution cut short", |story| story.executions.iter().any(|execution| execution.said.is_none()));
}
