//! The work of the benches done by apalis-sqlite.
//!
//! Usage: FOLDER CALLERS LIVES BATCH. Prints what was found as a line of JSON. Callers push one task after the other and do not
//! wait until it is done; one worker with as many at once fetches so many a batch. A life has ended when its row says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use apalis::prelude::*;
use apalis_core::backend::ext::BackendExt;
use apalis_sqlite::{Config, SqliteStorage};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// As many bytes as the payload of the benches has.
const PAYLOAD: usize = 200;
/// SQLite lets one write at a time: more connections only wait for each other, and more slowly.
const CONNECTIONS: u32 = 1;
const POLL: Duration = Duration::from_millis(1);
const LOOK: Duration = Duration::from_millis(2);

type Seen = Arc<Mutex<HashMap<String, usize>>>;

async fn work(text: String, seen: Data<Seen>) -> Result<(), BoxDynError> {
    let name = text.split(' ').next().unwrap_or_default().to_owned();
    *seen.lock().map_err(|_| "a worker panicked")?.entry(name).or_default() += 1;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, callers, lives, batch] = arguments.as_slice() else { anyhow::bail!("FOLDER CALLERS LIVES BATCH") };
    let (callers, lives, batch): (usize, usize, usize) = (callers.parse()?, lives.parse()?, batch.parse()?);
    let each = lives.div_ceil(callers);
    let total = each * callers;

    let options = SqliteConnectOptions::new()
        .filename(std::path::Path::new(folder).join("queue.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // Setting up turns synchronous off for its connection, so that one is not used again.
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    SqliteStorage::setup(&pool).await?;
    pool.close().await;
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;

    let config = Config::default().queue("bench").batch_size(batch).lock_tasks(false);
    let storage = SqliteStorage::<String>::new(&pool).with_config(config);
    let seen = Seen::default();
    let worker = WorkerBuilder::new("bench")
        .backend(storage.clone().poll_with_interval(POLL))
        .data(Arc::clone(&seen))
        .concurrency(callers)
        .build(work);
    let worker = tokio::spawn(worker.run());

    let began = Instant::now();
    let mut pushing = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let mut storage = storage.clone();
        pushing.spawn(async move {
            for number in 0..each {
                let name = format!("{caller}-{number} ");
                storage.push(format!("{name}{}", "x".repeat(PAYLOAD - name.len()))).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = pushing.join_next().await {
        ended??;
    }
    let done = "SELECT count(*) FROM Jobs WHERE status = 'Done'";
    let deadline = Instant::now() + Duration::from_secs(60);
    while sqlx::query_scalar::<_, i64>(done).fetch_one(&pool).await? < i64::try_from(total)? {
        ensure!(Instant::now() < deadline && !worker.is_finished(), "not all tasks are done in time");
        tokio::time::sleep(LOOK).await;
    }
    let elapsed = began.elapsed();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
    let seen = seen.lock().ok().context("a worker panicked")?;
    let found = serde_json::json!({
        "livesPerSecond": total as f64 / elapsed.as_secs_f64(),
        "lost": total - seen.len(),
        "duplicated": seen.values().sum::<usize>() - seen.len(),
        "synchronous": synchronous,
    });
    println!("{found}");
    std::process::exit(0)
}
