//! The statements of a commit. Each is prepared once in the life of the connection and run once for each row.

pub(in crate::store::sql) const CREATE_TASK: &str = "
    INSERT INTO task (number, id, agent, type, stack, container, status, order_at, ready_at, created_at, settled_at,
                      attempt, retry_count, claim_id, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
pub(in crate::store::sql) const CREATE_SPEC: &str = "INSERT INTO task_spec (number, spec) VALUES (?, ?)";
pub(in crate::store::sql) const CHANGE_TASK: &str = "
    UPDATE task SET status = ?2, order_at = ?3, ready_at = ?4, settled_at = ?5, attempt = ?6, retry_count = ?7,
                    claim_id = ?8, state = ?9
    WHERE number = ?1";
/// For a change that moves the task in no index.
pub(in crate::store::sql) const HOLD_TASK: &str =
    "UPDATE task SET status = ?2, attempt = ?3, retry_count = ?4, claim_id = ?5, state = ?6 WHERE number = ?1";
/// What is about to be written over stays readable for others.
pub(in crate::store::sql) const KEEP_UNREADABLE: &str = "
    INSERT INTO unreadable (number, state, error, found_at) SELECT number, state, ?2, ?3 FROM task WHERE number = ?1
    ON CONFLICT (number) DO UPDATE SET state = excluded.state, error = excluded.error, found_at = excluded.found_at";
pub(in crate::store::sql) const KEEP_ATTEMPT: &str = "
    INSERT INTO attempt (task, attempt, record, report) VALUES (?, ?, ?, ?)
    ON CONFLICT (task, attempt) DO UPDATE SET record = excluded.record, report = excluded.report";
pub(in crate::store::sql) const KEEP_DEPENDENCY: &str =
    "INSERT INTO dependency (dependency, dependant) VALUES (?, ?) ON CONFLICT DO NOTHING";
pub(in crate::store::sql) const KEEP_KEY: &str = "INSERT INTO idempotency (key, task) VALUES (?, ?)";
pub(in crate::store::sql) const KEEP_RECORD: &str = "
    INSERT INTO record (kind, name, version, body, updated_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE
    SET version = excluded.version, body = excluded.body, updated_at = excluded.updated_at";
pub(in crate::store::sql) const DROP_RECORD: &str = "DELETE FROM record WHERE kind = ? AND name = ?";
pub(in crate::store::sql) const KEEP_HOST: &str = "
    INSERT INTO host (id, session) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET session = excluded.session";
pub(in crate::store::sql) const KEEP_INVENTORY: &str = "
    INSERT INTO inventory (host, engine, instances) VALUES (?, ?, ?)
    ON CONFLICT (host) DO UPDATE SET engine = excluded.engine, instances = excluded.instances";
pub(in crate::store::sql) const KEEP_ENDED: &str =
    "INSERT INTO ended_session (agent, session, ended_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
pub(in crate::store::sql) const DROP_ENDED: &str = "DELETE FROM ended_session WHERE agent = ? AND session = ?";
pub(in crate::store::sql) const KEEP_GENERATION: &str = "
    INSERT INTO generation (stack, newest, since) VALUES (?, ?, ?)
    ON CONFLICT (stack) DO UPDATE SET newest = excluded.newest, since = excluded.since";
pub(in crate::store::sql) const DROP_GENERATION: &str = "DELETE FROM generation WHERE stack = ?";
pub(in crate::store::sql) const KEEP_COUNTER: &str = "
    INSERT INTO counter (kind, name, value) VALUES (?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value";
pub(in crate::store::sql) const APPEND_EVENT: &str = "
    INSERT INTO event (seq, type, at, task, stack, agent, actor, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

pub(in crate::store::sql) const TAKE_LETTER: &str = "DELETE FROM inbox WHERE key = ?";
pub(in crate::store::sql) const REFUSE_LETTER: &str = "
    INSERT INTO inbox_refused (key, json, error, refused_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET json = excluded.json, error = excluded.error, refused_at = excluded.refused_at";

/// From here on the file is a store and no backup.
pub(in crate::store::sql) const KEEP_EPOCH: &str =
    "UPDATE store SET epoch = ?, base = ?, restored = ?, copied_at = NULL";
pub(in crate::store::sql) const DROP_TASK: &str = "DELETE FROM task WHERE number = ?";
pub(in crate::store::sql) const DROP_SPEC: &str = "DELETE FROM task_spec WHERE number = ?";
pub(in crate::store::sql) const DROP_ATTEMPTS: &str = "DELETE FROM attempt WHERE task = ?";
pub(in crate::store::sql) const DROP_DEPENDENCY: &str = "DELETE FROM dependency WHERE dependency = ? AND dependant = ?";
pub(in crate::store::sql) const DROP_UNREADABLE: &str = "DELETE FROM unreadable WHERE number = ?";
/// For a task whose own list of dependencies cannot be read.
pub(in crate::store::sql) const DROP_DEPENDENCIES: &str = "DELETE FROM dependency WHERE dependant = ?";
/// For a task whose own key cannot be read.
pub(in crate::store::sql) const DROP_KEYS: &str = "DELETE FROM idempotency WHERE task = ?";
pub(in crate::store::sql) const DROP_KEY: &str = "DELETE FROM idempotency WHERE key = ?";
pub(in crate::store::sql) const DROP_LISTING: &str = "DELETE FROM listing WHERE field = ? AND value = ? AND number = ?";
pub(in crate::store::sql) const DROP_EVENTS: &str = "DELETE FROM event WHERE seq <= ?";
pub(in crate::store::sql) const DROP_COUNTER: &str = "DELETE FROM counter WHERE kind = ? AND name = ?";
