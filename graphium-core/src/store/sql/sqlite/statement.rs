//! The words for the statements of a commit. Each is prepared once in the life of the connection and run once for each row.

use crate::store::sql::batch::Statement;

/// What SQLite is asked.
pub(super) const fn words(statement: Statement) -> &'static str {
    match statement {
        Statement::CreateTask => CREATE_TASK,
        Statement::CreateSpec => CREATE_SPEC,
        Statement::ChangeTask => CHANGE_TASK,
        Statement::HoldTask => HOLD_TASK,
        Statement::KeepUnreadable => KEEP_UNREADABLE,
        Statement::KeepAttempt => KEEP_ATTEMPT,
        Statement::KeepDependency => KEEP_DEPENDENCY,
        Statement::KeepKey => KEEP_KEY,
        Statement::KeepRecord => KEEP_RECORD,
        Statement::DropRecord => DROP_RECORD,
        Statement::KeepHost => KEEP_HOST,
        Statement::KeepInventory => KEEP_INVENTORY,
        Statement::KeepEnded => KEEP_ENDED,
        Statement::DropEnded => DROP_ENDED,
        Statement::KeepGeneration => KEEP_GENERATION,
        Statement::DropGeneration => DROP_GENERATION,
        Statement::KeepCounter => KEEP_COUNTER,
        Statement::AppendEvent => APPEND_EVENT,
        Statement::TakeLetter => TAKE_LETTER,
        Statement::RefuseLetter => REFUSE_LETTER,
        Statement::KeepEpoch => KEEP_EPOCH,
        Statement::DropTask => DROP_TASK,
        Statement::DropSpec => DROP_SPEC,
        Statement::DropAttempts => DROP_ATTEMPTS,
        Statement::DropDependency => DROP_DEPENDENCY,
        Statement::DropUnreadable => DROP_UNREADABLE,
        Statement::DropDependencies => DROP_DEPENDENCIES,
        Statement::DropKeys => DROP_KEYS,
        Statement::DropKey => DROP_KEY,
        Statement::DropListing => DROP_LISTING,
        Statement::DropEvents => DROP_EVENTS,
        Statement::DropCounter => DROP_COUNTER,
        // Nobody passes calls on to a file.
        #[cfg(feature = "postgres")]
        Statement::AnswerCall => "SELECT ?, ?",
    }
}

const CREATE_TASK: &str = "
    INSERT INTO task (number, id, agent, type, stack, container, generation, status, order_at, ready_at, created_at, settled_at,
                      attempt, retry_count, claim_id, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const CREATE_SPEC: &str = "INSERT INTO task_spec (number, spec) VALUES (?, ?)";
const CHANGE_TASK: &str = "
    UPDATE task SET status = ?2, order_at = ?3, ready_at = ?4, settled_at = ?5, attempt = ?6, retry_count = ?7,
                    claim_id = ?8, state = ?9
    WHERE number = ?1";
const HOLD_TASK: &str =
    "UPDATE task SET status = ?2, attempt = ?3, retry_count = ?4, claim_id = ?5, state = ?6 WHERE number = ?1";
const KEEP_UNREADABLE: &str = "
    INSERT INTO unreadable (number, state, error, found_at) SELECT number, state, ?2, ?3 FROM task WHERE number = ?1
    ON CONFLICT (number) DO UPDATE SET state = excluded.state, error = excluded.error, found_at = excluded.found_at";
const KEEP_ATTEMPT: &str = "
    INSERT INTO attempt (task, attempt, record, report) VALUES (?, ?, ?, ?)
    ON CONFLICT (task, attempt) DO UPDATE SET record = excluded.record, report = excluded.report";
const KEEP_DEPENDENCY: &str = "INSERT INTO dependency (dependency, dependant) VALUES (?, ?) ON CONFLICT DO NOTHING";
const KEEP_KEY: &str = "INSERT INTO idempotency (key, task) VALUES (?, ?)";
const KEEP_RECORD: &str = "
    INSERT INTO record (kind, name, version, body, updated_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE
    SET version = excluded.version, body = excluded.body, updated_at = excluded.updated_at";
const DROP_RECORD: &str = "DELETE FROM record WHERE kind = ? AND name = ?";
const KEEP_HOST: &str = "
    INSERT INTO host (id, session) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET session = excluded.session";
const KEEP_INVENTORY: &str = "
    INSERT INTO inventory (host, engine, instances) VALUES (?, ?, ?)
    ON CONFLICT (host) DO UPDATE SET engine = excluded.engine, instances = excluded.instances";
const KEEP_ENDED: &str = "INSERT INTO ended_session (agent, session, ended_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
const DROP_ENDED: &str = "DELETE FROM ended_session WHERE agent = ? AND session = ?";
const KEEP_GENERATION: &str = "
    INSERT INTO generation (stack, newest, since) VALUES (?, ?, ?)
    ON CONFLICT (stack) DO UPDATE SET newest = excluded.newest, since = excluded.since";
const DROP_GENERATION: &str = "DELETE FROM generation WHERE stack = ?";
const KEEP_COUNTER: &str = "
    INSERT INTO counter (kind, name, value) VALUES (?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value";
const APPEND_EVENT: &str = "
    INSERT INTO event (seq, type, at, task, stack, agent, actor, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

const TAKE_LETTER: &str = "DELETE FROM inbox WHERE key = ?";
const REFUSE_LETTER: &str = "
    INSERT INTO inbox_refused (key, json, error, refused_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET json = excluded.json, error = excluded.error, refused_at = excluded.refused_at";

const KEEP_EPOCH: &str = "UPDATE store SET epoch = ?, base = ?, restored = ?, copied_at = NULL";
const DROP_TASK: &str = "DELETE FROM task WHERE number = ?";
const DROP_SPEC: &str = "DELETE FROM task_spec WHERE number = ?";
const DROP_ATTEMPTS: &str = "DELETE FROM attempt WHERE task = ?";
const DROP_DEPENDENCY: &str = "DELETE FROM dependency WHERE dependency = ? AND dependant = ?";
const DROP_UNREADABLE: &str = "DELETE FROM unreadable WHERE number = ?";
const DROP_DEPENDENCIES: &str = "DELETE FROM dependency WHERE dependant = ?";
const DROP_KEYS: &str = "DELETE FROM idempotency WHERE task = ?";
const DROP_KEY: &str = "DELETE FROM idempotency WHERE key = ?";
const DROP_LISTING: &str = "DELETE FROM listing WHERE field = ? AND value = ? AND number = ?";
const DROP_EVENTS: &str = "DELETE FROM event WHERE seq <= ?";
const DROP_COUNTER: &str = "DELETE FROM counter WHERE kind = ? AND name = ?";
