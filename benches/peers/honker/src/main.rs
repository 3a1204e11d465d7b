//! The work of the benches done by honker.
//!
//! Usage: FOLDER CALLERS LIVES. Prints what was found as a line of JSON. Callers are threads that share the one connection of a
//! database, as honker has it, and live one life after the other.

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use honker::{Database, EnqueueOpts, QueueOpts};

/// As many bytes as the payload of the benches has.
const PAYLOAD: usize = 200;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, callers, lives] = arguments.as_slice() else { anyhow::bail!("FOLDER CALLERS LIVES") };
    let (callers, lives): (usize, usize) = (callers.parse()?, lives.parse()?);
    let each = lives.div_ceil(callers);

    let database = Database::open(Path::new(folder).join("queue.db"))?;
    // It opens with NORMAL.
    database.with_conn(|connection| connection.execute_batch("PRAGMA synchronous = FULL"))?;

    let began = Instant::now();
    let threads: Vec<_> = (0..callers)
        .map(|caller| {
            let queue = database.queue("bench", QueueOpts::default());
            thread::spawn(move || {
                let (worker, mut finished) = (format!("worker-{caller}"), Vec::new());
                for number in 0..each {
                    let name = format!("{caller}-{number} ");
                    let text = format!("{name}{}", "x".repeat(PAYLOAD - name.len()));
                    queue.enqueue(&text, EnqueueOpts::default())?;
                    // Somebody else may be quicker, and then leaves another one.
                    let job = loop {
                        if let Some(job) = queue.claim_one(&worker)? {
                            break job;
                        }
                        thread::yield_now();
                    };
                    ensure!(job.ack()?, "the claim is still good");
                    let text: String = job.payload_as()?;
                    finished.push(text.split(' ').next().context("a payload has a name")?.to_owned());
                }
                Ok(finished)
            })
        })
        .collect();
    let mut finished = HashMap::<String, usize>::new();
    for thread in threads {
        for name in thread.join().ok().context("a caller panicked")?? {
            *finished.entry(name).or_default() += 1;
        }
    }
    let (elapsed, total) = (began.elapsed(), each * callers);
    let synchronous: i64 = database.with_conn(|c| c.query_row("PRAGMA synchronous", [], |row| row.get(0)))?;
    let found = serde_json::json!({
        "livesPerSecond": total as f64 / elapsed.as_secs_f64(),
        "lost": total - finished.len(),
        "duplicated": finished.values().sum::<usize>() - finished.len(),
        "synchronous": synchronous,
    });
    println!("{found}");
    Ok(())
}
