//! Bringing the tables to the version of this program.

use tokio_postgres::Client;

use super::fault::Reach;
use crate::store::sql::error::SqlError;

/// Each brings the tables from the version before it to its own, counted from 1.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_queue.sql")];

/// One server at a time; the others wait. The number tells this lock from those of other programs on the database.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7305807186230240621)";

/// Makes the tables, or brings them up to date.
pub(super) async fn migrate(client: &Client) -> Result<(), SqlError> {
    client
        .batch_execute("BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s'")
        .in_time()
        .await?;
    client.batch_execute(LOCK).in_time().await?;
    let known = MIGRATIONS.len();
    let begin = "
        CREATE SCHEMA IF NOT EXISTS graphium;
        CREATE TABLE IF NOT EXISTS graphium.version (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
        INSERT INTO graphium.version (one, version) VALUES (1, 0) ON CONFLICT DO NOTHING;
        SET LOCAL search_path = graphium;";
    client.batch_execute(begin).in_time().await?;
    let version: i64 = client.query_one("SELECT version FROM version", &[]).in_time().await?.get("version");
    let at = usize::try_from(version).ok().filter(|version| *version <= known);
    let at = at.ok_or(SqlError::NewerTables { version, known })?;
    for step in MIGRATIONS.iter().skip(at) {
        client.batch_execute(step).in_time().await?;
    }
    if at < known {
        client.batch_execute(&format!("UPDATE version SET version = {known}")).in_time().await?;
    }
    client.batch_execute("COMMIT").in_time().await
}
