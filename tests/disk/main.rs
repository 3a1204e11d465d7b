//! The SQLite store on a disk that has no room left.
//!
//! The disk is a small file system in memory, which only root may mount. Without it the tests are reported as ignored; with
//! `GRAPHIUM_REQUIRE_MOUNT=1` that is a failure.

mod small_disk;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use graphium_core::clock::SystemClock;
use graphium_core::id::{AgentId, TaskId};
use graphium_core::store::{SqliteStore, StoreError, StoreErrorKind, StoreSettings, Submission, TaskStore};
use graphium_core::task::{NewTask, TaskType};
use graphium_tests::Needed;
use libtest_mimic::{Arguments, Failed};
use small_disk::SmallDisk;

/// More tasks than the disk has room for.
const TOO_MANY: usize = 10_000;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mount = Needed::new(SmallDisk::mount().map(drop), "GRAPHIUM_REQUIRE_MOUNT");
    let trials = vec![
        mount.trial("a_full_disk_refuses_writes_by_name_loses_nothing_and_goes_on_when_there_is_room", || {
            on_a_runtime(a_full_disk_refuses_and_recovers())
        }),
        mount.trial("a_store_whose_disk_is_full_at_its_end_opens_again_with_all_it_acknowledged", || {
            on_a_runtime(a_full_disk_at_the_end())
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_a_runtime(test: impl Future<Output = ()>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test);
    Ok(())
}

async fn open(disk: &SmallDisk) -> SqliteStore {
    let path = disk.path().join("graphium.db");
    SqliteStore::open(&path, Arc::new(SystemClock), StoreSettings::default()).await.expect("the store opens")
}

async fn submit(store: &SqliteStore) -> Result<TaskId, StoreError> {
    let task = NewTask::new(AgentId::new("vm1").expect("a valid id"), TaskType::Custom("backup".into()));
    let task = task.with_payload(serde_json::json!("x".repeat(4000)));
    Ok(store.submit(Submission::of("ann", [task])).await?.tasks[0].id())
}

/// Submits until the disk is full. Answers with what was acknowledged, and with the refusal.
async fn fill(store: &SqliteStore) -> (Vec<TaskId>, StoreError) {
    let mut kept = Vec::new();
    while kept.len() < TOO_MANY {
        match submit(store).await {
            Ok(id) => kept.push(id),
            Err(error) => return (kept, error),
        }
    }
    panic!("the disk has room for {TOO_MANY} tasks");
}

async fn assert_kept(store: &SqliteStore, ids: &[TaskId]) {
    for id in ids {
        store.task(*id).await.expect("what was acknowledged is there");
    }
}

async fn a_full_disk_refuses_and_recovers() {
    let disk = SmallDisk::mount().expect("it could be mounted before");
    let ballast = disk.put_ballast();
    let store = open(&disk).await;

    let (mut kept, error) = fill(&store).await;
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("no room"), "{error}");
    assert!(!kept.is_empty(), "there was room at first");
    assert_kept(&store, &kept).await;
    submit(&store).await.expect_err("it is still full");

    std::fs::remove_file(ballast).expect("the ballast is there");
    kept.push(submit(&store).await.expect("there is room again"));
    assert_kept(&store, &kept).await;
    store.close().await;
    assert_kept(&open(&disk).await, &kept).await;
}

async fn a_full_disk_at_the_end() {
    let disk = SmallDisk::mount().expect("it could be mounted before");
    let ballast = disk.put_ballast();
    let store = open(&disk).await;
    let (kept, _) = fill(&store).await;
    store.close().await;

    std::fs::remove_file(ballast).expect("the ballast is there");
    assert_kept(&open(&disk).await, &kept).await;
}
