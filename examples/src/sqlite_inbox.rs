//! Shows: a task that enters the queue in the transaction of your own program, or not at all.
//!
//! The program keeps its orders in the file that the store is in, writes them with its own driver, and leaves the task
//! that belongs to an order in the inbox, in the same transaction.
//!
//! Run with: `cargo run -p graphium-examples --bin sqlite_inbox`
//!
//! Expected output: `order 1: parcel packed`, then `order 2: nothing to do`, a line each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use graphium_core::clock::SystemClock;
use graphium_core::id::{AgentId, SessionId};
use graphium_core::store::{AgentStore, ClaimRequest, SqliteStore, StoreSettings, TaskFilter, TaskStore};
use rusqlite::{Connection, params};

/// Places an order that is kept and one that is not, and answers with what came of each.
pub async fn run() -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shop.db");
    let store = SqliteStore::open(&path, Arc::new(SystemClock), StoreSettings::default()).await?;

    let mut shop = open_shop(&path)?;
    place(&mut shop, 1, true)?;
    place(&mut shop, 2, false)?;

    let packer = AgentId::new("packer")?;
    let asking = ClaimRequest::hello(SessionId::generate(), "this machine").asking(1, Duration::from_secs(10));
    let answer = store.claim(&packer, asking).await?;
    let task = &answer.claims.first().context("the order that was kept has a task")?.task;
    let packed = format!("order {}: parcel packed", task.spec.payload["order"]);

    let everything = store.tasks(TaskFilter::default(), Default::default()).await?;
    let second = everything.items.iter().any(|task| task.spec.payload["order"] == 2);
    let nothing = format!("order 2: {}", if second { "has a task" } else { "nothing to do" });
    store.close().await;
    Ok(vec![packed, nothing])
}

fn open_shop(path: &Path) -> anyhow::Result<Connection> {
    let shop = Connection::open(path)?;
    shop.busy_timeout(Duration::from_secs(5))?;
    shop.execute_batch("CREATE TABLE orders (number INTEGER PRIMARY KEY)")?;
    Ok(shop)
}

/// Writes the order and its task together. An order that is not wanted after all leaves neither.
fn place(shop: &mut Connection, order: u32, wanted: bool) -> anyhow::Result<()> {
    let transaction = shop.transaction()?;
    transaction.execute("INSERT INTO orders (number) VALUES (?)", [order])?;
    let task = serde_json::json!({ "taskType": "pack", "agentId": "packer", "payload": { "order": order } });
    let letter = params![format!("order-{order}"), task.to_string()];
    transaction.execute("INSERT INTO inbox (key, json) VALUES (?, ?)", letter)?;
    if wanted {
        transaction.commit()?
    } else {
        transaction.rollback()?
    }
    Ok(())
}
